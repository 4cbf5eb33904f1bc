package runner

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// Progress tells a person how a run goes: on a terminal a line that lives, elsewhere one line for
// each cell that is done. A nil Progress says nothing.
type Progress struct {
	out   io.Writer
	width int // of the terminal; 0 where out is none
	total int
}

// NewProgress returns a Progress that writes to out.
func NewProgress(out io.Writer) *Progress {
	p := &Progress{out: out}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		p.width = 80
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 20 {
			p.width = width
		}
	}
	return p
}

func (p *Progress) start(path string, cells int) {
	if p == nil {
		return
	}
	p.total = cells
	fmt.Fprintf(p.out, "%s: %s\n", path, count(cells, "cell"))
}

// cell announces a cell; the function that it returns reports its end.
func (p *Progress) cell(number int, source string) (done func(error)) {
	if p == nil {
		return func(error) {}
	}
	begin := time.Now()
	line := func(state string) string {
		text := fmt.Sprintf("  [%d/%d] %6.1fs %s %s", number, p.total, time.Since(begin).Seconds(), state, firstCode(source))
		return cut(text, p.width)
	}
	stop := make(chan struct{})
	var ticking sync.WaitGroup
	if p.width > 0 {
		ticking.Go(func() {
			tick := time.NewTicker(200 * time.Millisecond)
			defer tick.Stop()
			for {
				fmt.Fprintf(p.out, "\r\x1b[K%s", line(" "))
				select {
				case <-tick.C:
				case <-stop:
					return
				}
			}
		})
	}
	return func(err error) {
		close(stop)
		ticking.Wait()
		state := "✓"
		if err != nil {
			state = "✗"
		}
		if p.width > 0 {
			fmt.Fprint(p.out, "\r\x1b[K")
		}
		fmt.Fprintln(p.out, line(state))
	}
}

// failed reports an error after which the run goes on.
func (p *Progress) failed(err error) {
	if p != nil {
		fmt.Fprintln(p.out, err)
	}
}

func (p *Progress) finish(path, output string, cells int, took time.Duration) {
	if p != nil {
		if output != "" {
			output = ", written to " + output
		}
		fmt.Fprintf(p.out, "%s: %s in %.1fs%s\n", path, count(cells, "cell"), took.Seconds(), output)
	}
}

// count writes a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// firstCode returns the first line of a cell that is neither blank, nor a comment, nor a mere %%.
func firstCode(source string) string {
	var first string
	for line := range strings.Lines(source) {
		line = strings.TrimSpace(line)
		if line == "" || line == "%%" {
			continue
		}
		if !strings.HasPrefix(line, "//") {
			return line
		}
		if first == "" {
			first = line
		}
	}
	return first
}

// cut shortens text to fit a terminal of the width, or to 100 characters where there is none.
func cut(text string, width int) string {
	limit := 100
	if width > 0 {
		limit = width - 1
	}
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}
