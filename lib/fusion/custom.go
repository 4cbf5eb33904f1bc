package fusion

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Custom is a method of one's own, in the few lines of a notebook cell. It works wherever a built-in
// one does: in models, predictions, FLOPs, training, source maps and plots. [Tunable] gives it a number
// that sets how much it reduces.
type Custom struct {
	// Label is the method's name in results.
	Label string
	// Layers that reduce, counted from 0; nil is all.
	Layers []int
	// Place in the block; empty is BetweenAttentionAndMLP.
	Place Place
	// Remaining is the number of tokens left of those that enter a layer, protected ones included.
	// Where it is not less than those nothing happens, unless the method is Adaptive.
	Remaining func(at Layer) int
	// Adaptive says that the number left depends on the image: Remaining is then the most there can be,
	// at.Tokens if it returns more, and Assign may leave some of them empty. They are absent from then on,
	// masked from attention; the multiply-accumulates that `flops` counts are a bound.
	Adaptive bool
	// Matching, if set, is what the method's own choosing costs in a layer, in multiply-accumulates for
	// one image; nil counts as 0.
	Matching func(at Layer) int
	// Assign decides who fuses with whom: see Fuse, FuseSum, Keep and Mix.
	Assign func(at Layer, e Evidence) *Assignment
	// Proportional lets attention count a token as often as the patches it stands for.
	Proportional bool
}

// Name is the label.
func (m Custom) Name() string { return m.Label }

// ProportionalAttention is off unless Proportional is set.
func (m Custom) ProportionalAttention() bool { return m.Proportional }

// Step reduces in the layers named. A method without label, Remaining or Assign is an error.
func (m Custom) Step(at Layer) (*Step, error) {
	if m.Label == "" || m.Remaining == nil || m.Assign == nil {
		return nil, fmt.Errorf("fusion: a custom method needs Label, Remaining and Assign")
	}
	if err := validateLayers(m.Layers, at.Depth); err != nil {
		return nil, err
	}
	if m.Layers != nil && !slices.Contains(m.Layers, at.Index) {
		return nil, nil
	}
	remaining := m.Remaining(at)
	if remaining >= at.Tokens && !m.Adaptive {
		return nil, nil
	}
	remaining = min(remaining, at.Tokens)
	if remaining < max(1, at.Protected) {
		return nil, fmt.Errorf("fusion: %s leaves %d of %d tokens in layer %d, of which %d are protected", m.Label, remaining, at.Tokens, at.Index, at.Protected)
	}
	matching := 0
	if m.Matching != nil {
		if matching = m.Matching(at); matching < 0 {
			return nil, fmt.Errorf("fusion: %s counts %d multiply-accumulates for its matching in layer %d, want 0 or more", m.Label, matching, at.Index)
		}
	}
	return &Step{
		Place: orDefault(m.Place, BetweenAttentionAndMLP), Remaining: remaining, Adaptive: m.Adaptive, Matching: matching,
		Assign: func(e Evidence) *Assignment { return m.Assign(at, e) },
	}, nil
}

// MarshalJSON writes the label and the layers: what a method of one's own does stands in its notebook.
func (m Custom) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Method string `json:"method"`
		Layers []int  `json:"layers,omitzero"`
	}{m.Label, m.Layers})
}
