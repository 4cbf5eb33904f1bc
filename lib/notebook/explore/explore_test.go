package explore

import (
	"fmt"
	"strings"
	"testing"
)

func Example() {
	overlay := func(at At) any {
		return fmt.Sprintf("layer %d, tau %g, %s", at.Int("layer"), at.Float("tau"), at.Text("method"))
	}
	Show(overlay, Slider("layer", 1, 8, 4), Selector("tau", 1.0, 20.0), Selector("method", "mctf", "tome"))
	// Output: layer 4, tau 1, mctf
}

func TestControl(t *testing.T) {
	for name, c := range map[string]struct {
		control  Control
		position int
		at       any
		err      string
	}{
		"slider":              {control: Slider("r", 0, 8, 4), position: 8, at: 8},
		"below its end":       {control: Slider("r", 2, 8, 4), position: 1, at: 2},
		"beyond its end":      {control: Slider("r", 2, 8, 4), position: 9, at: 8},
		"one place":           {control: Slider("r", 3, 3, 3), position: 3, at: 3},
		"selector":            {control: Selector("tau", 1.0, 20.0), position: 1, at: 20.0},
		"selector, beyond":    {control: Selector("tau", 1.0, 20.0), position: 2, at: 20.0},
		"begins below":        {control: Slider("r", 2, 8, 1), err: `slider "r" begins at 1, want one from 2 to 8`},
		"ends before it is":   {control: Slider("r", 8, 2, 4), err: `slider "r" begins at 4`},
		"ends below 0":        {control: Slider("r", 0, -1, 0), err: `slider "r" begins at 0, want one from 0 to -1`},
		"nothing to select":   {control: Selector("tau"), err: `selector "tau" has no options`},
		"nothing to call it":  {control: Slider("", 0, 1, 0), err: "a control has no name"},
		"negative, and valid": {control: Slider("x", -3, -1, -2), position: -3, at: -3},
	} {
		err := c.control.validate()
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", name, err, c.err)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case c.control.at(c.position) != c.at:
			t.Errorf("%s: %v, want %v", name, c.control.at(c.position), c.at)
		}
	}
	if err := validate([]Control{Slider("r", 0, 8, 4), Selector("r", 1)}); err == nil || !strings.Contains(err.Error(), `two controls are called "r"`) {
		t.Errorf("two of one name: %v", err)
	}
	if got := (At{"r": 4}).Float("r"); got != 4 {
		t.Errorf("a whole number as a number: %g", got)
	}
}

// TestDesk: a move draws where all controls stand, and moves that come while it draws are one.
func TestDesk(t *testing.T) {
	d := &desk{controls: []Control{Slider("r", 0, 8, 4), Selector("m", "a", "b")}, positions: []int{4, 0}, moved: make(chan struct{}, 1), done: make(chan struct{})}
	for i := range 8 {
		d.move(0, i)
	}
	d.move(1, 1)
	if !d.wait() || d.at().Int("r") != 7 || d.at().Text("m") != "b" {
		t.Errorf("at %v", d.at())
	}
	close(d.done)
	if d.wait() {
		t.Error("goes on after Done")
	}
}
