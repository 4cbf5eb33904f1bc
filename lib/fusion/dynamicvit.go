package fusion

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
)

// DynamicViT keeps the patches that a learned predictor wants to keep (Rao et al., arXiv 2106.02034,
// NeurIPS 2021, section 3.2): before a block, an MLP on each patch, half of whose features are its own
// (eq. 1) and half the mean over all patches (eq. 2, 3), gives the probability of keeping it (eq. 4, 5).
// The patches with the highest stay, in descending order, behind the class token; the others are dropped
// (section 3.4, eq. 17).
//
// It follows the official code (raoyongming/DynamicViT, models/dyvit.py, PredictorLG) at inference,
// where every patch that enters counts in the mean. There the predictor's first output is the
// probability of keeping; in the paper it is the second. (JoakimHaurum/TokenReduction adds 1e-6 to the
// mean.) The choice has no gradient: the predictors are trained by Gumbel softmax (eq. 7) and attention
// masking (eq. 10, 11; section 3.3), not through this step.
//
// A step has the weights score_predictor.N.in_conv.{0,1} and score_predictor.N.out_conv.{0,2,4}, N
// counting the layers that reduce.
type DynamicViT struct {
	// KeepRate is the share of patches that the first of the layers keeps; of as many as the image has
	// the second keeps its square, the third its cube, rounded down, but never fewer than one.
	KeepRate float64
	// KeepRatePerLayer replaces KeepRate by one share of the image's patches per entry of Layers.
	KeepRatePerLayer []float64
	// Layers that reduce, counted from 0; nil is 3, 6, 9 of 12, and so on for other depths.
	Layers []int
}

func (DynamicViT) Name() string                { return "dynamicvit" }
func (DynamicViT) ProportionalAttention() bool { return false }

func (m DynamicViT) schedule() keepOfFirst {
	return keepOfFirst{amountsOf(m.KeepRate, m.KeepRatePerLayer), m.Layers}
}

// Step keeps the patches with the highest scores. Where nothing would be dropped nothing happens, and
// nothing is learned. Dims are halved twice, so a dim that is odd or below 4 is an error.
func (m DynamicViT) Step(at Layer) (*Step, error) {
	stage, keep, err := m.schedule().at(at)
	if err != nil || keep == 0 {
		return nil, err
	}
	if at.Dim < 4 || at.Dim%2 != 0 {
		return nil, fmt.Errorf("fusion: dynamicvit halves the dim of tokens twice, and this model's is %d: want an even one of 4 or more", at.Dim)
	}
	p := predictor{name: fmt.Sprintf("score_predictor.%d", stage), dim: at.Dim}
	return &Step{
		Place:     BeforeBlock,
		Remaining: at.Protected + keep,
		Matching:  p.macs(at.Tokens - at.Protected),
		Learned:   p.weights(),
		Assign: func(e Evidence) *Assignment {
			score := StopGradient(p.score(e, patches(e.X, at.Protected)))
			if at.Protected > 0 {
				none := Zeros(score.Graph(), shapes.Make(score.DType(), score.Shape().Dimensions[0], at.Protected))
				score = Concatenate([]*Node{none, score}, 1)
			}
			return Keep(score, at.Protected, keep)
		},
	}, nil
}

// Knob is the keep rate.
func (DynamicViT) Knob() Knob { return keepRateKnob() }

// Adjusted replaces the keep rate of every layer.
func (m DynamicViT) Adjusted(rate float64) Method {
	m.KeepRate, m.KeepRatePerLayer = rate, nil
	return m
}

// predictor is DynamicViT's prediction module.
type predictor struct {
	name string
	dim  int
}

func (p predictor) weights() []Weight {
	half, quarter := p.dim/2, p.dim/4
	return slices.Concat(
		normWeights(p.name+".in_conv.0", p.dim), linearWeights(p.name+".in_conv.1", p.dim, p.dim),
		linearWeights(p.name+".out_conv.0", p.dim, half), linearWeights(p.name+".out_conv.2", half, quarter),
		linearWeights(p.name+".out_conv.4", quarter, 2))
}

func (p predictor) macs(tokens int) int {
	half, quarter := p.dim/2, p.dim/4
	return normMACs(tokens, p.dim) + tokens*(p.dim*p.dim+p.dim*half+half*quarter+quarter*2)
}

// score returns the logarithm of the probability of keeping each patch, [batch, patches, dim] ->
// [batch, patches].
func (p predictor) score(e Evidence, x *Node) *Node {
	half, quarter := p.dim/2, p.dim/4
	x = activation.Gelu(e.linear(p.name+".in_conv.1", e.norm(p.name+".in_conv.0", x), p.dim))
	own := Slice(x, AxisRange(), AxisRange(), AxisRange(0, half))
	all := ReduceAndKeep(Slice(x, AxisRange(), AxisRange(), AxisRangeToEnd(half)), ReduceMean, 1)
	x = Concatenate([]*Node{own, BroadcastToShape(all, own.Shape())}, -1)
	x = activation.Gelu(e.linear(p.name+".out_conv.0", x, half))
	x = activation.Gelu(e.linear(p.name+".out_conv.2", x, quarter))
	x = LogSoftmax(e.linear(p.name+".out_conv.4", x, 2))
	return Squeeze(Slice(x, AxisRange(), AxisRange(), AxisElem(0)), -1)
}

// MarshalJSON writes FUSION.json.
func (m DynamicViT) MarshalJSON() ([]byte, error) {
	k := m.schedule()
	return json.Marshal(keepJSON{m.Name(), k.rates, m.Layers})
}

func parseDynamicViT(data []byte) (Method, error) {
	k, err := parseKeep(data, 0.7)
	m := DynamicViT{Layers: k.layers}
	m.KeepRate, m.KeepRatePerLayer = k.rates.fields()
	return m, err
}
