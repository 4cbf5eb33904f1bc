package provision

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress is how an installation says what it is at; the zero value is ready.
type progress struct{ detail atomic.Pointer[string] }

// At says in a few words what is being done now: "downloading, 12 of 63 MB".
func (p *progress) At(format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	p.detail.Store(&detail)
}

func (p *progress) String() string {
	if detail := p.detail.Load(); detail != nil {
		return ": " + *detail
	}
	return ""
}

// run calls install and meanwhile tells w about it: on a terminal a spinner with the seconds passed;
// elsewhere a line at the start, at the end, and now and then in between.
func run(ctx context.Context, w io.Writer, title string, install func(context.Context, *progress) error) error {
	var report progress
	var (
		start    = time.Now()
		elapsed  = func() time.Duration { return time.Since(start).Round(100 * time.Millisecond) }
		interval = 15 * time.Second
		tick     = func() { fmt.Fprintf(w, "setup: still at %s%s (%v)\n", title, &report, elapsed()) }
		clear    = func() {}
		done     = make(chan error, 1)
	)
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		spinner := progressbar.NewOptions(-1, progressbar.OptionSetWriter(w), progressbar.OptionSpinnerType(14),
			progressbar.OptionSetElapsedTime(true), progressbar.OptionClearOnFinish())
		interval = 100 * time.Millisecond
		tick = func() {
			spinner.Describe("setup: " + title + report.String())
			spinner.Add(1)
		}
		clear = func() { spinner.Finish() }
	} else {
		fmt.Fprintf(w, "setup: installing %s\n", title)
	}
	go func() { done <- install(ctx, &report) }()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			tick()
		case err := <-done:
			clear()
			switch {
			case ctx.Err() != nil:
			case err != nil:
				fmt.Fprintf(w, "setup: %s failed: %v\n", title, err)
			default:
				fmt.Fprintf(w, "setup: installed %s (%v)\n", title, elapsed())
			}
			return err
		}
	}
}
