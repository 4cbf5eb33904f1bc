package download

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how a download gets on: a bar on a terminal, elsewhere a line for each quarter.
// Nothing is shown before the first at, and no more than a line of a file under a megabyte.
type progress struct {
	out         io.Writer
	name        string
	total, done int64
	bar         *progressbar.ProgressBar
	started     bool
	quarters    int64 // shown
}

func newProgress(out io.Writer, name string) *progress {
	return &progress{out: out, name: name}
}

// at says that done bytes of a total above 0 are there, on beginning and on beginning again.
func (p *progress) at(done, total int64) {
	if !p.started {
		p.started = true
		p.total = total
		p.quarters = done * 4 / p.total
		if file, ok := p.out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
			p.bar = progressbar.NewOptions64(p.total,
				progressbar.OptionSetWriter(p.out),
				progressbar.OptionSetDescription(p.name),
				progressbar.OptionShowBytes(true),
				progressbar.OptionSetWidth(30),
				progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionUseANSICodes(false),
				progressbar.OptionOnCompletion(func() { fmt.Fprintln(p.out) }))
		} else {
			fmt.Fprintf(p.out, "downloading %s: %s\n", p.name, amount(done, p.total))
		}
	}
	p.done = done
	if p.bar != nil {
		p.bar.Set64(min(done, p.total))
	}
}

// add says that n more bytes are there.
func (p *progress) add(n int) {
	p.done += int64(n)
	if p.bar != nil {
		p.bar.Set64(min(p.done, p.total))
		return
	}
	if quarters := min(p.done*4/p.total, 4); quarters > p.quarters && p.total >= 1e6 {
		p.quarters = quarters
		fmt.Fprintf(p.out, "downloading %s: %d%%\n", p.name, 25*quarters)
	}
}

// end leaves the terminal at the beginning of a line.
func (p *progress) end() {
	if p.bar != nil && !p.bar.IsFinished() {
		fmt.Fprintln(p.out)
	}
}

// amount says how much of the total is there, if anything.
func amount(done, total int64) string {
	unit, size := "MB", 1e6
	if total < 1e6 {
		unit, size = "kB", 1e3
	}
	if done == 0 {
		return fmt.Sprintf("%.1f %s", float64(total)/size, unit)
	}
	return fmt.Sprintf("%.1f of %.1f %s", float64(done)/size, float64(total)/size, unit)
}
