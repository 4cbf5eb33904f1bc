package fusion

import (
	"encoding/json"

	. "github.com/gomlx/gomlx/core/graph"
)

// RandomDrop keeps a random share of the patches: what is left of a method's accuracy when its choice is
// taken away. It drops where [ClassTopK] does and as many tokens, so that the two cost the same and
// differ in the choice alone. Token Pooling (Marin et al., arXiv 2110.03860, figure 3) has random
// selection among its baselines; where and how many is ours. The choice depends on the seed, the image
// and the layer, not on the batch, the backend or the run.
type RandomDrop struct {
	// KeepRate is the share of patches that the first of the layers leaves; of as many as the image has
	// the second leaves its square, the third its cube, rounded down, but never fewer than one.
	KeepRate float64
	// KeepRatePerLayer replaces KeepRate by one share of the image's patches per entry of Layers.
	KeepRatePerLayer []float64
	// Layers that reduce, counted from 0; nil is 3, 6, 9 of 12, and so on for other depths.
	Layers []int
	Seed   int
}

func (RandomDrop) Name() string                { return "random-drop" }
func (RandomDrop) ProportionalAttention() bool { return false }

func (m RandomDrop) schedule() keepOfFirst {
	return keepOfFirst{amountsOf(m.KeepRate, m.KeepRatePerLayer), m.Layers}
}

// Step keeps the patches with the highest numbers drawn, in descending order.
func (m RandomDrop) Step(at Layer) (*Step, error) {
	_, keep, err := m.schedule().at(at)
	if err != nil || keep == 0 {
		return nil, err
	}
	return &Step{
		Place:     BetweenAttentionAndMLP,
		Remaining: at.Protected + keep,
		Assign: func(e Evidence) *Assignment {
			return Keep(among(e.Present, Uniform(e.Key, m.Seed, at.Index, at.Tokens)), at.Protected, keep)
		},
	}, nil
}

// Knob is the keep rate.
func (RandomDrop) Knob() Knob { return keepRateKnob() }

// Adjusted replaces the keep rate of every layer.
func (m RandomDrop) Adjusted(rate float64) Method {
	m.KeepRate, m.KeepRatePerLayer = rate, nil
	return m
}

type randomDropJSON struct {
	Method   string  `json:"method"`
	KeepRate amounts `json:"keep_rate"`
	Layers   []int   `json:"layers,omitzero"`
	Seed     int     `json:"seed"`
}

func (m RandomDrop) MarshalJSON() ([]byte, error) {
	return json.Marshal(randomDropJSON{"random-drop", m.schedule().rates, m.Layers, m.Seed})
}

func parseRandomDrop(data []byte) (Method, error) {
	in := randomDropJSON{KeepRate: amounts{0.7}}
	if err := strict(data, &in); err != nil {
		return nil, err
	}
	m := RandomDrop{Layers: in.Layers, Seed: in.Seed}
	m.KeepRate, m.KeepRatePerLayer = in.KeepRate.fields()
	return m, m.schedule().validate(0)
}

// among puts tokens that are absent behind all others; present nil means none is.
func among(present, score *Node) *Node {
	if present == nil {
		return score
	}
	return Where(GreaterThan(present, ZerosLike(present)), score, BroadcastToShape(Infinity(score.Graph(), score.DType(), -1), score.Shape()))
}
