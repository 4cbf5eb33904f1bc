package fusion

import (
	"encoding/json"

	. "github.com/gomlx/gomlx/core/graph"
)

// RandomFusion is the floor that a merging method must beat: in every layer r tokens of A, drawn at
// random, fuse into tokens of B, drawn at random too, several into one where it so happens. All else is
// as in [ToMe]: sets, protected tokens, order, place, weights by size. It is ours, of no paper. (The
// random_bipartite_soft_matching of ToMe's official code draws the tokens that merge, and merges each
// into its most similar.) The choice is that of the seed, the layer and the image, whatever the batch or
// the backend; average the results of several seeds.
type RandomFusion struct {
	// R is the number of tokens that each layer removes.
	R int
	// RPerLayer replaces R by one count per layer; layers beyond the list remove none.
	RPerLayer []int
	// Seed of the choices.
	Seed int
	// PlainAttention leaves the sizes out of the attention.
	PlainAttention bool
}

func (RandomFusion) Name() string { return "random-fusion" }

// ProportionalAttention is on unless PlainAttention is set.
func (m RandomFusion) ProportionalAttention() bool { return !m.PlainAttention }

// Knob is r; beyond half of the tokens a layer has no more to give.
func (m RandomFusion) Knob() Knob { return ToMe{}.Knob() }

// Adjusted replaces R, and the list per layer where there is one.
func (m RandomFusion) Adjusted(r float64) Method {
	m.R, m.RPerLayer = int(r), nil
	return m
}

// Step fuses r tokens, at most half of those not protected. There is no matching to pay for.
func (m RandomFusion) Step(at Layer) (*Step, error) {
	merging := ToMe{R: m.R, RPerLayer: m.RPerLayer}
	step, err := merging.Step(at)
	if step == nil || err != nil {
		return nil, err
	}
	step.Matching, step.Needs = 0, nil
	r := at.Tokens - step.Remaining
	step.Assign = func(e Evidence) *Assignment {
		return matching{
			scores: randomScores(e.Key, m.Seed, at), tokens: at.Tokens, giveA: r, protected: at.Protected,
		}.assign(e, PoolSize())
	}
	return step, nil
}

// randomScores gives each token of A one partner in B, every unprotected one as likely, and a score in
// [0, 1) there; all other pairs have -1. [batch, A, B].
func randomScores(key *Node, seed int, at Layer) *Node {
	countA, countB := (at.Tokens+1)/2, at.Tokens/2
	protectedB := at.Protected / 2
	drawn := Uniform(key, seed, at.Index, 2*countA)
	turn := Slice(drawn, AxisRange(), AxisRange(0, countA))
	choice := Slice(drawn, AxisRange(), AxisRangeToEnd(countA))
	// Numbers so close to 1 that the product is rounded up to the count must stay within B.
	partner := MinScalar(Floor(MulScalar(choice, float64(countB-protectedB))), float64(countB-protectedB-1))
	partner = AddScalar(partner, float64(protectedB))

	full := []int{drawn.Shape().Dimensions[0], countA, countB}
	spread := func(x *Node) *Node { return BroadcastToDims(InsertAxes(x, -1), full...) }
	turns := spread(turn)
	return Where(Equal(spread(partner), Iota(key.Graph(), turns.Shape(), 2)), turns, AddScalar(ZerosLike(turns), -1))
}

// randomFusionJSON is RandomFusion in FUSION.json; r is a count or a list.
type randomFusionJSON struct {
	Method       string          `json:"method"`
	R            json.RawMessage `json:"r,omitempty"`
	Seed         int             `json:"seed"`
	Proportional bool            `json:"proportional_attention"`
}

func (m RandomFusion) MarshalJSON() ([]byte, error) {
	return json.Marshal(randomFusionJSON{"random-fusion", countsJSON(m.R, m.RPerLayer), m.Seed, !m.PlainAttention})
}

func parseRandomFusion(data []byte) (Method, error) {
	in := randomFusionJSON{R: json.RawMessage("8"), Proportional: true}
	if err := strict(data, &in); err != nil {
		return nil, err
	}
	m := RandomFusion{Seed: in.Seed, PlainAttention: !in.Proportional}
	var err error
	if m.R, m.RPerLayer, err = parseCounts(in.R); err != nil {
		return nil, err
	}
	return m, ToMe{R: m.R, RPerLayer: m.RPerLayer}.validate(0)
}
