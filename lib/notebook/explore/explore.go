// Package explore lets a reader move what a figure depends on: sliders and selectors over a picture that
// is drawn anew. It is a package of its own so that cells without it need not be linked with GoNB's widgets.
//
//	func overlay(at explore.At) any {
//		return notebook.Must(plots.FusedTokens(picture, groups(at.Int("r"), at.Int("layer"))))
//	}
//
//	%%
//	explore.Show(overlay, explore.Slider("r", 0, 8, 4), explore.Slider("layer", 1, 8, 8))
package explore

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/dom"
	"github.com/janpfeifer/gonb/gonbui/widgets"

	"tokenfuse/lib/notebook"
)

const (
	// GoNB itself gives the page 3 seconds to connect.
	pagePatience = 8 * time.Second
	// A kernel is busy while a cell explores.
	idle = 10 * time.Minute
)

// Show shows what draw makes of the controls where they begin, as notebook.Show does, and keeps that in the
// cell's output. In JupyterLab the controls stand under it, by GoNB's widgets, and each move draws it anew in
// its place, until the button Done is pressed, the cell is interrupted, or nothing moved for 10 minutes; the
// output then has what was drawn last, and no controls. Where no page answers, as in `run`, nbclient,
// VS Code and exported HTML, the picture stands alone.
//
// A control that is impossible ends the cell, as in notebook.Must.
func Show(draw func(at At) any, controls ...Control) {
	notebook.Check(validate(controls))
	positions := make([]int, len(controls))
	for i, c := range controls {
		positions[i] = c.initial
	}
	if !gonbui.IsNotebook {
		notebook.Show(draw(at(controls, positions)))
		return
	}
	show := notebook.Live()
	show(draw(at(controls, positions)))
	if !hasPage() {
		return
	}
	desk, ok := newDesk(controls, positions)
	if !ok {
		return
	}
	for desk.wait() {
		show(draw(desk.at()))
	}
	dom.Remove(desk.element)
	gonbui.Sync()
}

// validate says what is wrong with controls, alone or together.
func validate(controls []Control) error {
	names := map[string]bool{}
	for _, c := range controls {
		if err := c.validate(); err != nil {
			return err
		}
		if names[c.name] {
			return fmt.Errorf("explore: two controls are called %q", c.name)
		}
		names[c.name] = true
	}
	return nil
}

// hasPage says whether there may be a page that shows the cell: `go run ./kernel run` has none, and says so.
func hasPage() bool { return os.Getenv("TOKENFUSE_HEADLESS") == "" }

// at names the values at the positions.
func at(controls []Control, positions []int) At {
	values := At{}
	for i, c := range controls {
		values[c.name] = c.at(positions[i])
	}
	return values
}

// desk is controls on a page.
type desk struct {
	controls []Control
	element  string // of the page that holds them
	moved    chan struct{}
	done     chan struct{}

	mu        sync.Mutex
	positions []int
}

// keysStay keeps JupyterLab from taking the keys that move a control for its own: arrows would go from cell
// to cell. It looks at the element that has the focus before those around it.
const keysStay = `document.querySelectorAll("#%s > *").forEach(control => control.setAttribute("data-lm-suppress-shortcuts", "true"))`

// newDesk puts the controls on the page. It is false where none answers.
func newDesk(controls []Control, positions []int) (*desk, bool) {
	d := &desk{controls: controls, positions: positions, moved: make(chan struct{}, 1), done: make(chan struct{})}
	shown := make(chan struct{})
	go func() {
		d.element = dom.CreateTransientDiv()
		row := "explore_" + gonbui.UniqueId()
		dom.Append(d.element, fmt.Sprintf(`<div id="%s" role="group" aria-label="controls of the figure"></div>`, row))
		for i, c := range controls {
			c.show(row, func(position int) { d.move(i, position) })
		}
		button := widgets.Button("Done").AppendTo(row).Done().Listen()
		dom.TransientJavascript(fmt.Sprintf(keysStay, row))
		go func() {
			<-button.C
			close(d.done)
		}()
		close(shown)
	}()
	select {
	case <-shown:
		return d, true
	case <-time.After(pagePatience):
		return nil, false
	}
}

func (d *desk) move(control, position int) {
	d.mu.Lock()
	d.positions[control] = position
	d.mu.Unlock()
	select {
	case d.moved <- struct{}{}:
	default: // one is waiting, and will see this position too
	}
}

func (d *desk) at() At {
	d.mu.Lock()
	defer d.mu.Unlock()
	return at(d.controls, d.positions)
}

// wait waits for a move; it is false when there will be none.
func (d *desk) wait() bool {
	select {
	case <-d.moved:
		return true
	case <-d.done:
	case <-time.After(idle):
	}
	return false
}
