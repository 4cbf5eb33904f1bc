package fusion

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

// ATC is Agglomerative Token Clustering (Haurum et al., arXiv 2409.11923, ECCV 2024; official code
// JoakimHaurum/ATC, ATC_setup/models/atc.py, agglomerative_clustering and merge_wavg): between attention
// and MLP, hierarchical clustering of the tokens by the cosine distance of their keys averaged over
// heads, from the bottom up until so many clusters are left; each becomes one token, the mean over its
// patches. Protected tokens come first, as they are; then the clusters, by the first token of each.
//
// The order is ours: scikit-learn's, in the official code, is that of a heap, and nothing depends on
// it. The official code clusters a distillation token and divides by the size 0 of the place kept for
// it; ours protects it.
type ATC struct {
	// KeepRate is the share of patches that the first of the layers leaves; of as many as the image has
	// the second leaves its square, the third its cube, rounded down, but never fewer than one.
	// Published are 0.9, 0.7, 0.5, 0.25. If it is 0, R says how many go.
	KeepRate float64
	// KeepRatePerLayer replaces KeepRate by one share of the image's patches per entry of Layers.
	KeepRatePerLayer []float64
	// R is the number of tokens that a layer removes where no keep rate is set, as the paper does with
	// models that were not trained for it. (In models with a class token the official code removes
	// r-1, because it counts that token among the clusters.)
	R float64
	// RPerLayer replaces R by one count per entry of Layers.
	RPerLayer []float64
	// Layers that cluster, counted from 0; nil is 3, 6, 9 of 12, and so on for other
	// depths; all where R says what goes.
	Layers []int
	// Linkage is LinkAverage (also when empty), LinkComplete or LinkSingle.
	Linkage Linkage
	// Pooling of the tokens of a cluster; the zero value is PoolSize.
	Pooling Pooling
	// PlainAttention leaves the sizes out of the attention. The official code for fine-tuned models
	// then forgets the sizes altogether: that is PlainAttention with PoolMean.
	PlainAttention bool
}

func (ATC) Name() string { return "atc" }

// ProportionalAttention is on unless PlainAttention is set.
func (m ATC) ProportionalAttention() bool { return !m.PlainAttention }

// Step clusters the unprotected tokens of the layers named; one cluster at least is left.
//
// Matching is the product of the keys with themselves, which is what fvcore counts of the official
// code. It is not the true cost: the merges that follow are no products and take O(n^2) each, one after
// the other, for 196 tokens 0.4 ms in a batch of 16. Images per second of DeiT-S, 16 at a time, the
// fastest of 20 passes on 2 cores of an AMD EPYC that had other work too, XLA CPU:
//
//	                                base   ToMe   ATC    K-Medoids  DPC-KNN
//	13 tokens less in every layer   13.3   20.0   18.5
//	0.7 of them in layers 3, 6, 9   13.3   19.0   16.8   19.6       20.4
//
// by: go test ./lib/fusion -run '^$' -bench BenchmarkATC -benchtime 20x
func (m ATC) Step(at Layer) (*Step, error) {
	if err := m.validate(at.Depth); err != nil {
		return nil, err
	}
	count := at.Tokens - at.Protected
	_, keep, err := m.schedule(at.Depth).at(at)
	if i := slices.Index(m.layers(at.Depth), at.Index); m.counts() && i >= 0 {
		keep = max(1, count-int(m.amounts().at(i)))
	}
	if err != nil || keep == 0 || keep >= count {
		return nil, err
	}
	needs := []Input{InputMetric}
	if m.pooling().Name == PoolAttention().Name {
		needs = append(needs, InputAttention)
	}
	return &Step{
		Place:     BetweenAttentionAndMLP,
		Remaining: at.Protected + keep,
		Matching:  at.Tokens * at.Tokens * (at.Dim / at.Heads),
		Needs:     needs,
		Assign: func(e Evidence) *Assignment {
			slot := behindProtected(m.cluster(e.Keys, at.Protected, count-keep), at.Protected)
			return m.pooling().assign(e, slot, at.Protected+keep)
		},
	}, nil
}

// cluster returns the cluster of each patch, [batch, n], after so many merges.
func (m ATC) cluster(keys *Node, protected, merges int) *Node {
	keys = StopGradient(keys)
	keys = direction(keys, length(keys))
	distances := Slice(OneMinus(cosines(keys, keys)), AxisRange(), AxisRangeToEnd(protected), AxisRangeToEnd(protected))
	// Keys that are no numbers would be in no cluster: they count as farther than any others are.
	const farther = 4
	distances = Where(IsNaN(distances), MulScalar(OnesLike(distances), farther), distances)
	leader := orDefault(m.Linkage, LinkAverage).agglomerate(distances, merges)
	leads := Equal(leader, IotaLike(leader, 1))
	return lookup(countBefore(leads), leader)
}

// counts says that R is what sets the number of tokens.
func (m ATC) counts() bool { return m.KeepRate == 0 && m.KeepRatePerLayer == nil }

func (m ATC) amounts() amounts { return amountsOf(m.R, m.RPerLayer) }

func (m ATC) schedule(depth int) keepOfFirst {
	if m.counts() {
		return keepOfFirst{amounts{1}, m.layers(depth)}
	}
	return keepOfFirst{amountsOf(m.KeepRate, m.KeepRatePerLayer), m.layers(depth)}
}

func (m ATC) pooling() Pooling {
	return m.Pooling.or(PoolSize())
}

// layers are those named, or the published ones; depth 0 means not known yet.
func (m ATC) layers(depth int) []int {
	if m.counts() {
		return everyLayer(m.Layers, depth)
	}
	return keepOfFirst{layers: m.Layers}.where(depth)
}

// Knob is the keep rate, or r where no keep rate is set.
func (m ATC) Knob() Knob {
	if m.counts() {
		return Knob{Name: "r", Most: 1 << 16, Whole: true}
	}
	return Knob{Name: "keep_rate", None: 1, Most: leastRate}
}

// Adjusted replaces the knob's number in every layer.
func (m ATC) Adjusted(value float64) Method {
	if m.counts() {
		m.R, m.RPerLayer = value, nil
	} else {
		m.KeepRate, m.KeepRatePerLayer = value, nil
	}
	return m
}

func (m ATC) validate(depth int) error {
	if err := known("linkage", string(m.Linkage), "single", "complete", "average"); err != nil {
		return err
	}
	schedule := m.schedule(depth)
	if err := schedule.rates.validate("keep_rate", len(schedule.layers), leastRate, 1); err != nil {
		return err
	}
	entries := len(schedule.layers)
	if entries == 0 {
		entries = len(m.amounts()) // one per layer of a model not known yet
	}
	if err := m.amounts().validate("r", entries, 0, math.MaxInt32); err != nil {
		return err
	}
	for _, r := range m.amounts() {
		if float64(r) != math.Trunc(float64(r)) {
			return fmt.Errorf("fusion: r is %v, want a count of tokens", float64(r))
		}
	}
	return validateLayers(schedule.layers, depth)
}

// leastRate is the lowest keep rate: less than one token of any image.
const leastRate = 0.001

// atcJSON is ATC in FUSION.json.
type atcJSON struct {
	Method       string  `json:"method"`
	KeepRate     amounts `json:"keep_rate,omitzero"`
	R            amounts `json:"r,omitzero"`
	Layers       []int   `json:"layers,omitzero"`
	Linkage      Linkage `json:"linkage"`
	Pooling      string  `json:"pooling"`
	Proportional bool    `json:"proportional_attention"`
}

func (m ATC) MarshalJSON() ([]byte, error) {
	out := atcJSON{
		Method: "atc", Linkage: orDefault(m.Linkage, LinkAverage), Pooling: m.pooling().Name, Proportional: !m.PlainAttention,
	}
	if m.counts() {
		out.R, out.Layers = m.amounts(), m.Layers
	} else {
		out.KeepRate, out.Layers = m.schedule(0).rates, m.Layers
	}
	return json.Marshal(out)
}

func parseATC(data []byte) (Method, error) {
	in := atcJSON{Pooling: "size", Proportional: true}
	if err := strict(data, &in); err != nil {
		return nil, err
	}
	if in.KeepRate != nil && in.R != nil {
		return nil, fmt.Errorf("fusion: atc takes keep_rate or r, not both")
	}
	if in.KeepRate == nil && in.R == nil {
		in.KeepRate = amounts{0.7}
	}
	if err := in.KeepRate.validate("keep_rate", len(in.KeepRate), leastRate, 1); err != nil {
		return nil, err
	}
	pooling, err := poolingOf(in.Pooling)
	if err != nil {
		return nil, err
	}
	m := ATC{Layers: in.Layers, Linkage: in.Linkage, Pooling: pooling, PlainAttention: !in.Proportional}
	m.KeepRate, m.KeepRatePerLayer = in.KeepRate.fields()
	m.R, m.RPerLayer = in.R.fields()
	return m, m.validate(0)
}
