package fusion

import (
	"encoding/json"
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

// PatchMerger merges patches by learned queries (Renggli et al., arXiv 2202.12015): before a block, each
// of M queries attends to the N patches, Y = softmax(W X^T) X with W [M, dim], and the M results take
// their place. The class token stays as it is.
//
// The authors published no code for it; this follows JoakimHaurum/TokenReduction (models/patchmerger.py,
// PatchMerger; arXiv 2308.04657, section 3.1), whose patches go through a learned layer norm first and
// are merged in its form, so that X above is the norm's output, and whose scores are not scaled by the
// root of the dim (lucidrains/vit-pytorch, where it comes from, scales). Its weights are
// cluster_layers.N.queries and cluster_layers.N.norm, N counting the layers that reduce. The paper
// merges once, in the middle, into 8 tokens: of 196 patches in 12 layers that is
// patchmerger:keep_rate=0.041,layers=6.
//
// For sizes and source maps a patch counts where its share is largest. The number of queries is fixed
// by the checkpoint, through KeepRate and the number of patches.
type PatchMerger struct {
	// KeepRate is the share of patches that the first of the layers leaves; of as many as the image has
	// the second leaves its square, the third its cube, rounded down, but never fewer than one.
	KeepRate float64
	// KeepRatePerLayer replaces KeepRate by one share of the image's patches per entry of Layers.
	KeepRatePerLayer []float64
	// Layers that reduce, counted from 0; nil is 3, 6, 9 of 12, and so on for other depths.
	Layers []int
}

func (PatchMerger) Name() string                { return "patchmerger" }
func (PatchMerger) ProportionalAttention() bool { return false }

func (m PatchMerger) schedule() keepOfFirst {
	return keepOfFirst{amountsOf(m.KeepRate, m.KeepRatePerLayer), m.Layers}
}

// Step merges the patches into fewer. Where they would not be fewer nothing happens, and nothing is
// learned.
func (m PatchMerger) Step(at Layer) (*Step, error) {
	stage, keep, err := m.schedule().at(at)
	if err != nil || keep == 0 {
		return nil, err
	}
	name, count := fmt.Sprintf("cluster_layers.%d", stage), at.Tokens-at.Protected
	return &Step{
		Place:     BeforeBlock,
		Remaining: at.Protected + keep,
		Matching:  normMACs(count, at.Dim) + 2*keep*count*at.Dim,
		Learned: slices.Concat([]Weight{{Name: name + ".queries", Dims: []int{keep, at.Dim}, Start: StartNormal}},
			normWeights(name+".norm", at.Dim)),
		Assign: func(e Evidence) *Assignment {
			norm := func(x *Node) *Node { return e.norm(name+".norm", x) }
			queries := e.Learned(name+".queries", keep, at.Dim)
			scores := EinsumAxes(norm(patches(e.X, at.Protected)), queries, [][2]int{{2, 1}}, nil) // [b, patches, queries]
			a := mixPatches(Softmax(TransposeAllAxes(scores, 0, 2, 1), -1), at.Protected)
			a.pool = func(a *Assignment, x *Node) *Node { return a.Mean(onPatches(x, at.Protected, norm)) }
			return a
		},
	}, nil
}

// Knob is the keep rate.
func (PatchMerger) Knob() Knob { return keepRateKnob() }

// Adjusted replaces the keep rate of every layer.
func (m PatchMerger) Adjusted(rate float64) Method {
	m.KeepRate, m.KeepRatePerLayer = rate, nil
	return m
}

// MarshalJSON writes FUSION.json.
func (m PatchMerger) MarshalJSON() ([]byte, error) {
	k := m.schedule()
	return json.Marshal(keepJSON{m.Name(), k.rates, m.Layers})
}

func parsePatchMerger(data []byte) (Method, error) {
	k, err := parseKeep(data, 0.7)
	m := PatchMerger{Layers: k.layers}
	m.KeepRate, m.KeepRatePerLayer = k.rates.fields()
	return m, err
}
