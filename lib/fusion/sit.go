package fusion

import (
	"encoding/json"
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
)

// SiT is the Self-slimmed Vision Transformer (Zong et al., arXiv 2111.12624, ECCV 2022): before a block,
// its "Token Slimming Module" makes M fused tokens of N patches, a soft assignment that each patch has a
// part in. An MLP (layer norm, linear to half of the dim, GELU, linear to M) says how much a patch
// should count in each fused token; softmax over the patches, after multiplication by a learned scale,
// makes shares of it, and the fused tokens are shares times patches. The class token stays as it is.
//
// It follows the official code (Sense-X/SiT, models/lvvit.py, TokenSlimmingModule), whose weights are
// tsm.N.scale and tsm.N.weight.{0,1,3}, N counting the layers that reduce. (JoakimHaurum/TokenReduction
// has the same module under the name cluster_layers.N; arXiv 2308.04657, section 3.1.) The official
// models are LV-ViTs that reduce after blocks: its stages of 9, 3, 2 and 2 blocks are layers 9, 12, 14
// here. What only its training uses (reverse slimming, rtsm) is not read.
//
// For sizes and source maps a patch counts where its share is largest. The number of fused tokens is
// fixed by the checkpoint, through KeepRate and the number of patches.
type SiT struct {
	// KeepRate is the share of patches that the first of the layers leaves; of as many as the image has
	// the second leaves its square, the third its cube, rounded down, but never fewer than one.
	KeepRate float64
	// KeepRatePerLayer replaces KeepRate by one share of the image's patches per entry of Layers.
	KeepRatePerLayer []float64
	// Layers that reduce, counted from 0; nil is 3, 6, 9 of 12, and so on for other depths.
	Layers []int
}

func (SiT) Name() string                { return "sit" }
func (SiT) ProportionalAttention() bool { return false }

func (m SiT) schedule() keepOfFirst {
	return keepOfFirst{amountsOf(m.KeepRate, m.KeepRatePerLayer), m.Layers}
}

// Step mixes the patches into fewer. Where they would not be fewer nothing happens, and nothing is
// learned. A dim below 2, of which no half is left, is an error.
func (m SiT) Step(at Layer) (*Step, error) {
	stage, keep, err := m.schedule().at(at)
	if err != nil || keep == 0 {
		return nil, err
	}
	if at.Dim < 2 {
		return nil, fmt.Errorf("fusion: sit halves the dim of tokens, and this model's is %d: want 2 or more", at.Dim)
	}
	name, hidden, count := fmt.Sprintf("tsm.%d", stage), at.Dim/2, at.Tokens-at.Protected
	return &Step{
		Place:     BeforeBlock,
		Remaining: at.Protected + keep,
		Matching:  normMACs(count, at.Dim) + count*(at.Dim*hidden+hidden*keep) + keep*count*at.Dim,
		Learned: slices.Concat([]Weight{{Name: name + ".scale", Dims: []int{1, 1, 1}, Start: StartOnes}},
			normWeights(name+".weight.0", at.Dim), linearWeights(name+".weight.1", at.Dim, hidden),
			linearWeights(name+".weight.3", hidden, keep)),
		Assign: func(e Evidence) *Assignment {
			x := e.norm(name+".weight.0", patches(e.X, at.Protected))
			x = activation.Gelu(e.linear(name+".weight.1", x, hidden))
			x = Mul(e.linear(name+".weight.3", x, keep), e.Learned(name+".scale", 1, 1, 1))
			return mixPatches(Softmax(TransposeAllAxes(x, 0, 2, 1), -1), at.Protected)
		},
	}, nil
}

// Knob is the keep rate.
func (SiT) Knob() Knob { return keepRateKnob() }

// Adjusted replaces the keep rate of every layer.
func (m SiT) Adjusted(rate float64) Method {
	m.KeepRate, m.KeepRatePerLayer = rate, nil
	return m
}

// MarshalJSON writes FUSION.json.
func (m SiT) MarshalJSON() ([]byte, error) {
	k := m.schedule()
	return json.Marshal(keepJSON{m.Name(), k.rates, m.Layers})
}

func parseSiT(data []byte) (Method, error) {
	k, err := parseKeep(data, 0.5)
	m := SiT{Layers: k.layers}
	m.KeepRate, m.KeepRatePerLayer = k.rates.fields()
	return m, err
}
