package fusion

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

// PiToMe protects informative tokens before it merges (Tran et al., arXiv 2405.16148, NeurIPS 2024,
// section 3.2 and algorithm 1 in appendix B.1; official code hchautran/PiToMe, algo/pitome). The energy
// of a patch (eq. 4) is high where many others are like it,
//
//	E_i = 1/n sum_j f_m(cos(k_i, k_j)),  f_m(s) = s - m for s >= m, exp(s - m) - 1 below,
//
// by its keys averaged over heads, with a margin m that falls linearly over the layers. Of the 2r
// patches of highest energy, ordered by energy, every second one (A) merges into the most similar of
// the others (B), weighted by size, between attention and MLP. The isolated patches, of low energy,
// stay as they are.
//
// Output order, as in the official code: protected tokens, patches left alone in descending energy,
// B in descending energy.
//
// Where the two differ this is the official code for DeiT, not the paper: m is subtracted on both sides
// of the margin (eq. 4 has s above it); sizes do not enter the attention (they do in section 3.2); the
// margin is lower, and half of the layers protect nothing. That code counts a distillation token among
// the patches; we protect it.
type PiToMe struct {
	// KeepRate is the share of patches that a layer keeps: r = floor(n - n rate) of n patches go, at
	// most half of them.
	KeepRate float64
	// KeepRatePerLayer replaces KeepRate by one value per entry of Layers.
	KeepRatePerLayer []float64
	// Layers that merge, counted from 0; nil is all.
	Layers []int
	// Margin of layer 0; layer l of L has Margin (1 - l/L). 0 stands for the 0.75 of the official code
	// for DeiT (its code for CLIP and BLIP has 0.9 to 0.95, the paper's section 3.2 has 0.9).
	Margin float64
	// BipartiteLayers protect no patch: energy only orders all patches for the split into A and B, and
	// the r best pairs merge. Nil is the first half of the model, rounded up, as in the official code for
	// DeiT; an empty list is the paper's algorithm 1 in every layer.
	BipartiteLayers []int
	// SizesInAttention makes the attention proportional to the sizes, as the paper does (section 3.2).
	SizesInAttention bool
}

func (PiToMe) Name() string { return "pitome" }

// ProportionalAttention is off unless SizesInAttention is set.
func (m PiToMe) ProportionalAttention() bool { return m.SizesInAttention }

// Knob is the keep rate; a layer merges at most half of its patches.
func (m PiToMe) Knob() Knob { return Knob{Name: "keep_rate", None: 1, Most: 0.5} }

// Adjusted replaces the keep rate of every layer.
func (m PiToMe) Adjusted(rate float64) Method {
	m.KeepRate, m.KeepRatePerLayer = rate, nil
	return m
}

// Step merges r patches; with a keep rate so high that r is 0 nothing happens. Matching is the
// similarity of all pairs of patches, from which the energies come too.
func (m PiToMe) Step(at Layer) (*Step, error) {
	if err := m.validate(at.Depth); err != nil {
		return nil, err
	}
	i := slices.Index(everyLayer(m.Layers, at.Depth), at.Index)
	if i < 0 {
		return nil, nil
	}
	patches := at.Tokens - at.Protected
	n := float64(patches)
	r := min(int(math.Floor(n-n*float64(m.rates().at(i)))), patches/2)
	if r <= 0 {
		return nil, nil
	}
	return &Step{
		Place:     BetweenAttentionAndMLP,
		Remaining: at.Tokens - r,
		Matching:  patches * patches * (at.Dim / at.Heads),
		Needs:     []Input{InputMetric},
		Assign: func(e Evidence) *Assignment {
			slot := energyMatching{
				keys:   Slice(e.Keys, AxisRange(), AxisRangeToEnd(at.Protected)),
				margin: m.margin() * (1 - float64(at.Index)/float64(at.Depth)),
				r:      r, bipartite: m.bipartite(at),
			}.slots()
			return PoolSize().assign(e, behindProtected(slot, at.Protected), at.Tokens-r)
		},
	}, nil
}

const publishedMargin = 0.75

func (m PiToMe) margin() float64 {
	if m.Margin == 0 {
		return publishedMargin
	}
	return m.Margin
}

// bipartite reports whether a layer protects no patch.
func (m PiToMe) bipartite(at Layer) bool {
	if m.BipartiteLayers == nil {
		return at.Index < (at.Depth+1)/2
	}
	return slices.Contains(m.BipartiteLayers, at.Index)
}

// energyMatching says which of the patches, whose keys are [batch, patches, dim], merge into which.
type energyMatching struct {
	keys      *Node
	margin    float64
	r         int
	bipartite bool
}

// slots returns the fused patch that takes each patch, [batch, patches].
func (f energyMatching) slots() *Node {
	g, batch, n := f.keys.Graph(), f.keys.Shape().Dimensions[0], f.keys.Shape().Dimensions[1]
	index := iota(g, batch, n)
	directions := StopGradient(direction(f.keys, length(f.keys)))
	similarity := numbers(cosines(directions, directions)) // [b, n, n]
	order := rank(energy(similarity, f.margin), index, 0)
	mergeable, ahead := 2*f.r, n-2*f.r
	if f.bipartite {
		mergeable, ahead = n, (n+1)/2-f.r
	}
	odd := Equal(ModScalar(order, 2), OnesLike(order))
	among := LessThan(order, scalar(g, mergeable))
	inA, inB := And(among, LogicalNot(odd)), And(among, odd)

	lowest := Infinity(g, similarity.DType(), -1)
	scores := Where(BroadcastToShape(InsertAxes(inB, 1), withBool(similarity.Shape())),
		similarity, BroadcastToShape(lowest, similarity.Shape()))
	partner := ConvertDType(ArgMax(scores, 2), index.DType()) // [b, n], a patch of B
	gives, slot := inA, AddScalar(order, -mergeable)
	if f.bipartite {
		best := Where(inA, ReduceMax(scores, 2), BroadcastToShape(lowest, index.Shape()))
		byBest := rank(best, index, 0)
		gives, slot = LessThan(byBest, scalar(g, f.r)), AddScalar(byBest, -f.r)
	}
	slot = Where(inB, AddScalar(MulScalar(AddScalar(order, -1), 0.5), ahead), slot)
	return Where(gives, lookup(slot, partner), slot)
}

// energy is the mean of f_m over a row of similarities [batch, n, n] -> [batch, n].
func energy(similarity *Node, margin float64) *Node {
	above := AddScalar(similarity, -margin)
	below := Expm1(MinScalar(above, 0.0))
	return ReduceMean(Where(GreaterThan(above, ZerosLike(above)), above, below), -1)
}

// behindProtected puts the protected tokens in front of slots of patches [batch, patches]:
// [batch, tokens].
func behindProtected(slot *Node, protected int) *Node {
	if protected == 0 {
		return slot
	}
	first := iota(slot.Graph(), slot.Shape().Dimensions[0], protected)
	return Concatenate([]*Node{first, AddScalar(slot, protected)}, 1)
}

func (m PiToMe) rates() amounts { return amountsOf(m.KeepRate, m.KeepRatePerLayer) }

func (m PiToMe) validate(depth int) error {
	if math.IsNaN(m.Margin) || m.Margin < 0 || m.Margin > 1 {
		return fmt.Errorf("fusion: margin is %v, want above 0 up to 1", m.Margin)
	}
	layers := len(everyLayer(m.Layers, depth))
	if m.Layers == nil && depth == 0 {
		layers = len(m.KeepRatePerLayer) // compared once the depth is known
	}
	if err := m.rates().validate("keep_rate", layers, 0, 1); err != nil {
		return err
	}
	if err := validateLayers(m.BipartiteLayers, depth); err != nil {
		return err
	}
	return validateLayers(m.Layers, depth)
}

// pitomeJSON is PiToMe in FUSION.json.
type pitomeJSON struct {
	Method          string  `json:"method"`
	KeepRate        amounts `json:"keep_rate"`
	Layers          []int   `json:"layers,omitzero"`
	Margin          float64 `json:"margin"`
	BipartiteLayers []int   `json:"bipartite_layers,omitzero"`
	Proportional    bool    `json:"proportional_attention"`
}

func (m PiToMe) MarshalJSON() ([]byte, error) {
	return json.Marshal(pitomeJSON{
		"pitome", m.rates(), m.Layers, m.margin(), m.BipartiteLayers, m.SizesInAttention,
	})
}

func parsePiToMe(data []byte) (Method, error) {
	in := pitomeJSON{KeepRate: amounts{0.9125}, Margin: publishedMargin}
	if err := strict(data, &in); err != nil {
		return nil, err
	}
	if in.Margin == 0 {
		return nil, fmt.Errorf("fusion: margin is 0, want above 0 up to 1")
	}
	m := PiToMe{
		Layers: in.Layers, Margin: in.Margin, BipartiteLayers: in.BipartiteLayers, SizesInAttention: in.Proportional,
	}
	m.KeepRate, m.KeepRatePerLayer = in.KeepRate.fields()
	return m, m.validate(0)
}
