package fusion

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestCustomStep: what a method of one's own says of itself reaches the step.
func TestCustomStep(t *testing.T) {
	at := Layer{Index: 1, Depth: 3, Tokens: 17, Protected: 1, Dim: 12, Heads: 3}
	custom := func(remaining int, change func(*Custom)) Custom {
		m := Custom{Label: "mine", Remaining: func(Layer) int { return remaining }, Assign: func(Layer, Evidence) *Assignment { return nil }}
		if change != nil {
			change(&m)
		}
		return m
	}
	adaptive := func(m *Custom) { m.Adaptive = true }
	costly := func(macs int) func(*Custom) {
		return func(m *Custom) { m.Matching = func(at Layer) int { return macs * at.Tokens } }
	}
	for name, c := range map[string]struct {
		method                        Custom
		nothing                       bool
		remaining, matching, adaptive any
		fails                         string
	}{
		"fewer":               {method: custom(9, nil), remaining: 9, matching: 0, adaptive: false},
		"as many":             {method: custom(17, nil), nothing: true},
		"as many, adaptive":   {method: custom(17, adaptive), remaining: 17, matching: 0, adaptive: true},
		"more, adaptive":      {method: custom(99, adaptive), remaining: 17, matching: 0, adaptive: true},
		"with a cost":         {method: custom(9, costly(2)), remaining: 9, matching: 34, adaptive: false},
		"with a wrong cost":   {method: custom(9, costly(-1)), fails: "mine counts -17 multiply-accumulates for its matching in layer 1"},
		"too few":             {method: custom(0, nil), fails: "mine leaves 0 of 17 tokens"},
		"too few, adaptive":   {method: custom(0, adaptive), fails: "mine leaves 0 of 17 tokens"},
		"not in this layer":   {method: custom(9, func(m *Custom) { m.Layers = []int{2} }), nothing: true},
		"without a remaining": {method: Custom{Label: "mine"}, fails: "needs Label, Remaining and Assign"},
	} {
		t.Run(name, func(t *testing.T) {
			step, err := c.method.Step(at)
			switch {
			case c.fails != "":
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("%v does not say %q", err, c.fails)
				}
			case err != nil:
				t.Error(err)
			case c.nothing:
				if step != nil {
					t.Errorf("%+v, want nothing", step)
				}
			case step == nil:
				t.Error("nothing happens")
			case step.Remaining != c.remaining || step.Matching != c.matching || step.Adaptive != c.adaptive:
				t.Errorf("%d tokens, %d MACs, adaptive %v; want %v, %v, %v", step.Remaining, step.Matching, step.Adaptive, c.remaining, c.matching, c.adaptive)
			}
		})
	}
}

// TestTunable: the value reaches the method and its JSON, and is checked.
func TestTunable(t *testing.T) {
	at := Layer{Depth: 3, Tokens: 17, Protected: 1, Dim: 12, Heads: 3}
	mine := Tunable{Range: Knob{Name: "left", None: 16, Most: 1, Whole: true}, Value: 16, At: func(left float64) Custom {
		return Custom{Label: "mine", Layers: []int{0}, Proportional: true, Remaining: func(at Layer) int { return at.Protected + int(left) },
			Assign: func(Layer, Evidence) *Assignment { return nil }}
	}}
	if step, err := mine.Step(at); step != nil || err != nil {
		t.Errorf("at its value for none: %+v, %v", step, err)
	}
	less := mine.Adjusted(4)
	step, err := less.Step(at)
	if err != nil || step == nil || step.Remaining != 5 {
		t.Fatalf("%+v, %v", step, err)
	}
	if mine.Value != 16 {
		t.Error("Adjusted changed the method itself")
	}
	text, err := json.Marshal(less)
	if want := `{"layers":[0],"left":4,"method":"mine"}`; err != nil || string(text) != want {
		t.Errorf("%s, %v, want %s", text, err, want)
	}
	if less.Name() != "mine" || !less.ProportionalAttention() {
		t.Errorf("%s, proportional %v", less.Name(), less.ProportionalAttention())
	}
	for want, m := range map[string]Method{
		"left of mine is 17, want 1 to 16": mine.Adjusted(17), "left of mine is 0": mine.Adjusted(0),
		"needs At": Tunable{}, "a Range with a Name": Tunable{At: mine.At},
	} {
		if _, err := m.Step(at); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
