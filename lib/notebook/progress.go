package notebook

import (
	"fmt"
	"html"
	"io"
	"os"
	"sync"
	"time"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"
	"github.com/schollz/progressbar/v3"
)

// refresh is how often progress is shown anew, at the most.
const refresh = 100 * time.Millisecond

// Progress returns a function that shows how far long work has come, to be called as often as one
// likes, from any goroutine. In a notebook it is one bar, which becomes one line once done reaches
// total; no times are shown, so that running a notebook again leaves the same output. On a terminal
// it is a bar on standard error, elsewhere nothing.
func Progress(label string) func(done, total int) {
	switch {
	case gonbui.IsNotebook:
		id := gonbui.UniqueId()
		return throttle(func(done, total int) {
			send(progressData(label, done, total), nil, id)
			if done >= total {
				flush()
			}
		})
	case isTerminal(os.Stderr):
		return terminalProgress(os.Stderr, label)
	}
	return func(int, int) {}
}

// throttle passes on the first call, then one in each refresh, and always one that reaches the total.
func throttle(show func(done, total int)) func(done, total int) {
	var mu sync.Mutex
	var last time.Time
	return func(done, total int) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); done >= total || now.Sub(last) >= refresh {
			last = now
			show(done, total)
		}
	}
}

// progressData is the bar, or the line that is left of it.
func progressData(label string, done, total int) map[protocol.MIMEType]any {
	text := fmt.Sprintf("%s: %d of %d", label, done, total)
	rich := html.EscapeString(text)
	if done < total {
		rich = fmt.Sprintf(`<progress value="%d" max="%d"></progress> %s`, done, total, rich)
	}
	return map[protocol.MIMEType]any{protocol.MIMETextPlain: text, protocol.MIMETextHTML: rich}
}

func terminalProgress(out io.Writer, label string) func(done, total int) {
	var mu sync.Mutex
	var bar *progressbar.ProgressBar
	return func(done, total int) {
		mu.Lock()
		defer mu.Unlock()
		if bar == nil {
			bar = progressbar.NewOptions(total,
				progressbar.OptionSetWriter(out),
				progressbar.OptionSetDescription(label),
				progressbar.OptionSetWidth(30),
				progressbar.OptionShowCount(),
				progressbar.OptionThrottle(refresh),
				progressbar.OptionUseANSICodes(false),
				progressbar.OptionOnCompletion(func() { fmt.Fprintln(out) }))
		}
		bar.Set(min(done, total))
	}
}
