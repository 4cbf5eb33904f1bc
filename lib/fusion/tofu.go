package fusion

import (
	"encoding/json"
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

// ToFu is Token Fusion (Kim et al., arXiv 2312.01026, WACV 2024, figure 2). It matches tokens as [ToMe]
// does, by their keys from A to B, and bridges pruning and merging: in early layers, whose response to a
// mean of tokens is far from the mean of their responses ("functional linearity"), the token of A is
// lost and that of B stays as it is ("pruned merging"); in the others they merge by [PoolMLERP], which
// keeps the norm. Order and protected tokens are those of ToMe.
//
// The authors published no code. Where the layers change over, and that sizes stay out of attention and
// means, is taken from the re-implementation in hchautran/PiToMe (algo/tofu), with which the matching,
// the order and the pruned tokens agree. (The paper prunes in layers l < d, and finds d = 6 best for the
// 12 layers of ViT-B; that code prunes in 7 of 12.) It differs from ours in two places: it multiplies
// the mean of a group by the largest norm over the norm of the token of B, which does not keep the norm,
// where we divide by the norm of the mean; and it protects no distillation token. A lost token counts
// among the sources, and in the size, of the one that stands for it.
type ToFu struct {
	// R is the number of tokens that each layer removes.
	R int
	// RPerLayer replaces R by one count per layer; layers beyond the list remove none.
	RPerLayer []int
	// PruneLayers lose the tokens of A instead of merging them; nil is 0 to depth/2, the latter
	// included.
	PruneLayers []int
	// SizesInAttention makes the attention proportional to the sizes.
	SizesInAttention bool
}

func (ToFu) Name() string { return "tofu" }

// ProportionalAttention is off unless SizesInAttention is set.
func (m ToFu) ProportionalAttention() bool { return m.SizesInAttention }

// Knob is r; beyond half of the tokens a layer has no more to give.
func (m ToFu) Knob() Knob { return ToMe{}.Knob() }

// Adjusted replaces R, and the list per layer where there is one.
func (m ToFu) Adjusted(r float64) Method {
	m.R, m.RPerLayer = int(r), nil
	return m
}

// matcher is the ToMe whose matching and schedule this is.
func (m ToFu) matcher() ToMe { return ToMe{R: m.R, RPerLayer: m.RPerLayer} }

// Step removes r tokens, at most half of those not protected.
func (m ToFu) Step(at Layer) (*Step, error) {
	if err := m.validate(at.Depth); err != nil {
		return nil, err
	}
	step, err := m.matcher().Step(at)
	if step == nil || err != nil {
		return nil, err
	}
	match := step.Assign
	step.Assign = func(e Evidence) *Assignment {
		slot := match(e).Slot()
		if m.prunes(at) {
			return Fuse(slot, staying(slot, at, step.Remaining), step.Remaining).withoutGaps()
		}
		return PoolMLERP().assign(e, slot, step.Remaining)
	}
	return step, nil
}

func (m ToFu) prunes(at Layer) bool {
	if m.PruneLayers == nil {
		return at.Index <= at.Depth/2
	}
	return slices.Contains(m.PruneLayers, at.Index)
}

// staying is 0 for tokens of A that go into a token of B by their slots [batch, tokens], else 1.
func staying(slot *Node, at Layer, remaining int) *Node {
	g, batch := slot.Graph(), slot.Shape().Dimensions[0]
	index := iota(g, batch, at.Tokens)
	inA := Equal(ModScalar(index, 2), ZerosLike(index))
	// B stands last, all of it but the protected.
	inB := GreaterOrEqual(slot, scalar(g, remaining-(at.Tokens/2-at.Protected/2)))
	return Where(And(inA, inB), ZerosLike(slot), OnesLike(slot))
}

// PoolMLERP is the mean of the tokens of a group, sizes ignored, at the length of the longest of them,
// "maximum-norm linear interpolation" (ToFu, arXiv 2312.01026, figure 2, right): max_i |x_i| mean /
// |mean|. It spares the tokens the loss of norm that comes with averaging. A token alone in its group,
// and a mean of 0, stay as they are.
func PoolMLERP() Pooling {
	return Pooling{Name: "mlerp", Pool: func(a *Assignment, x *Node) *Node {
		mean := a.Mean(x)
		longest, length := a.Max(norm(x)), norm(mean) // [b, f, 1]
		members := ReduceAndKeep(a.Member(), ReduceSum, -1)
		as := Or(LessOrEqual(members, OnesLike(members)), IsZero(length))
		factor := Where(as, OnesLike(length), Div(longest, Where(IsZero(length), OnesLike(length), length)))
		return Mul(mean, BroadcastToShape(factor, mean.Shape()))
	}}
}

// norm is the length of each token, [batch, tokens, dim] -> [batch, tokens, 1]. The gradient at 0 is 0.
func norm(x *Node) *Node {
	square := ReduceAndKeep(Square(x), ReduceSum, -1)
	zero := IsZero(square)
	return Where(zero, ZerosLike(square), Sqrt(Where(zero, OnesLike(square), square)))
}

func (m ToFu) validate(depth int) error {
	if err := m.matcher().validate(depth); err != nil {
		return err
	}
	return validateLayers(m.PruneLayers, depth)
}

// tofuJSON is ToFu in FUSION.json; r is a count or a list.
type tofuJSON struct {
	Method       string          `json:"method"`
	R            json.RawMessage `json:"r,omitempty"`
	PruneLayers  []int           `json:"prune_layers,omitzero"`
	Proportional bool            `json:"proportional_attention"`
}

func (m ToFu) MarshalJSON() ([]byte, error) {
	return json.Marshal(tofuJSON{"tofu", countsJSON(m.R, m.RPerLayer), m.PruneLayers, m.SizesInAttention})
}

func parseToFu(data []byte) (Method, error) {
	in := tofuJSON{R: json.RawMessage("8")}
	if err := strict(data, &in); err != nil {
		return nil, err
	}
	m := ToFu{PruneLayers: in.PruneLayers, SizesInAttention: in.Proportional}
	var err error
	if m.R, m.RPerLayer, err = parseCounts(in.R); err != nil {
		return nil, err
	}
	return m, m.validate(0)
}

// countsJSON writes r: one count, or one per layer.
func countsJSON(r int, perLayer []int) json.RawMessage {
	if perLayer != nil {
		return mustJSON(perLayer)
	}
	return mustJSON(r)
}

// parseCounts is the inverse of countsJSON.
func parseCounts(raw json.RawMessage) (r int, perLayer []int, err error) {
	if json.Unmarshal(raw, &r) == nil {
		return r, nil, nil
	}
	if err := json.Unmarshal(raw, &perLayer); err != nil {
		return 0, nil, fmt.Errorf("fusion: r is %s, want a count, or a list with one per layer", raw)
	}
	return 0, perLayer, nil
}
