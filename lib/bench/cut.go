package bench

import (
	"encoding/json"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/result"
)

// Cut only cuts tokens off: in each layer as many as another method removes, the last ones, whatever
// they hold. Its speed is what that method would have if its step were free, so that the two show what
// the step costs.
//
// The tokens go where the method removes them; those of a method that looks one step ahead in front of
// the block, so that a cut also saves the attention of the tokens that go, which such a method must
// compute. That makes it the stricter measure.
type Cut struct{ Of fusion.Method }

func (Cut) Name() string { return result.Cut }

// ProportionalAttention is off: sizes would cost something.
func (Cut) ProportionalAttention() bool { return false }

// Step cuts off what the other method would remove.
func (c Cut) Step(at fusion.Layer) (*fusion.Step, error) {
	step, err := c.Of.Step(at)
	if err != nil || step == nil {
		return nil, err
	}
	place, remaining := step.Place, step.Remaining
	if place == fusion.AheadApproximate || place == fusion.AheadPrecise {
		place = fusion.BeforeBlock
	}
	return &fusion.Step{Place: place, Remaining: remaining, Assign: func(e fusion.Evidence) *fusion.Assignment {
		return fusion.First(e.X, remaining)
	}}, nil
}

// MarshalJSON names the other method.
func (c Cut) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Method string        `json:"method"`
		Of     fusion.Method `json:"of"`
	}{c.Name(), c.Of})
}
