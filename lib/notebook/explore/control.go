package explore

import (
	"fmt"
	"html"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/comms"
	"github.com/janpfeifer/gonb/gonbui/dom"
	"github.com/janpfeifer/gonb/gonbui/widgets"

	"tokenfuse/lib/notebook"
)

// Control is something to set by hand, under a name.
type Control struct {
	name    string
	options []any // what its positions stand for; nil for a slider's own numbers
	from    int
	to      int
	initial int // position
}

// Slider is a whole number from one to another, both included, and where it begins.
func Slider(name string, from, to, initial int) Control {
	return Control{name: name, from: from, to: to, initial: initial}
}

// Selector is a choice among values; it begins with the first.
func Selector(name string, options ...any) Control {
	return Control{name: name, options: append([]any{}, options...), to: len(options) - 1}
}

// validate says what is wrong with a control.
func (c Control) validate() error {
	switch {
	case c.name == "":
		return fmt.Errorf("explore: a control has no name")
	case c.options != nil && len(c.options) == 0:
		return fmt.Errorf("explore: selector %q has no options", c.name)
	case c.options == nil && (c.from > c.to || c.initial < c.from || c.initial > c.to):
		return fmt.Errorf("explore: slider %q begins at %d, want one from %d to %d", c.name, c.initial, c.from, c.to)
	}
	return nil
}

// at is what a position stands for; one beyond the ends is the end.
func (c Control) at(position int) any {
	position = min(max(position, c.from), c.to)
	if c.options != nil {
		return c.options[position]
	}
	return position
}

// show adds the control, with a label, to an element of the page, and passes on the positions that it is
// put to. It returns when the page has answered.
func (c Control) show(element string, moved func(position int)) {
	id := "explore_" + gonbui.UniqueId()
	value := id + "_value"
	label := html.EscapeString(c.name)
	if c.options == nil { // a selector shows its value itself
		label += fmt.Sprintf(` <output id="%s">%d</output>`, value, c.initial)
	}
	dom.Append(element, fmt.Sprintf(`<label for="%s" style="margin: 0 0.5em 0 1em">%s</label>`, id, label))
	var positions *comms.AddressChan[int]
	if c.options == nil {
		positions = widgets.Slider(c.from, c.to, c.initial).WithHtmlId(id).AppendTo(element).Done().Listen().LatestOnly()
	} else {
		var texts []string
		for _, option := range c.options {
			texts = append(texts, html.EscapeString(fmt.Sprint(option)))
		}
		positions = widgets.Select(texts).WithHtmlId(id).SetDefault(c.initial).AppendTo(element).Done().Listen().LatestOnly()
	}
	go func() {
		for position := range positions.C {
			if c.options == nil {
				dom.SetInnerText(value, fmt.Sprint(c.at(position)))
			}
			moved(position)
		}
	}()
}

// At is where the controls stand, by their names.
type At map[string]any

// Int returns a whole number. A name that no control has, or another kind of value, ends the cell.
func (a At) Int(name string) int { return value[int](a, name) }

// Float returns a number, as of Selector("tau", 1.0, 20.0).
func (a At) Float(name string) float64 {
	if n, ok := a[name].(int); ok {
		return float64(n)
	}
	return value[float64](a, name)
}

// Text returns a text.
func (a At) Text(name string) string { return value[string](a, name) }

func value[T any](a At, name string) T {
	v, ok := a[name].(T)
	if !ok {
		notebook.Check(fmt.Errorf("explore: control %q is a %T, not a %T", name, a[name], v))
	}
	return v
}
