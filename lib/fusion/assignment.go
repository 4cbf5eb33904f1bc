package fusion

import (
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Assignment says into which fused token each token goes, and with which share. It is decided once
// and applied to everything that belongs to the tokens. Make one by [Fuse], [FuseSum], [Keep] or [Mix].
type Assignment struct {
	slot      *Node // [batch, tokens], the fused token that takes it, -1 for a token that is dropped
	weight    *Node // [batch, tokens], its share there
	belongs   *Node // see members
	shares    *Node // [batch, fused, tokens], of a soft assignment; else nil
	pool      func(a *Assignment, x *Node) *Node
	remaining int
	matching  *matching // by which it was decided; nil where pairs were not matched

	gapless bool // every fused token has a member
	drops   bool // what is no first member of a fused token is dropped
	// joins is the place of each token among those that join another, -1 for the one that each fused token
	// has beside them, [batch, tokens]; nil where that is to be the first by position.
	joins *Node
	lists *lists // see positions

	inference bool // no gradient will be asked for
}

// Fuse sends each token into the fused token of its slot [batch, tokens], 0 to remaining-1, or -1 to
// drop it. A fused token is the mean of its group by the weights [batch, tokens]. No gradient flows
// through slots and weights; it flows through the tokens.
func Fuse(slot, weight *Node, remaining int) *Assignment {
	a := FuseSum(slot, weight, remaining)
	// Shares are normalised before they meet the tokens, so that a token alone in its group has a
	// share of exactly 1 and passes through unchanged.
	own := lookup(a.sums(a.weight), MaxScalar(a.slot, 0)) // [b, t]
	a.weight = Div(a.weight, Where(Equal(own, ZerosLike(own)), OnesLike(own), own))
	return a
}

// FuseSum is Fuse with the sum of the weighted tokens in place of their mean: slots and weights
// [batch, tokens].
func FuseSum(slot, weight *Node, remaining int) *Assignment {
	return &Assignment{slot: StopGradient(slot), weight: StopGradient(weight), remaining: remaining}
}

// members says whether a token goes into a fused token, [batch, fused, tokens].
func (a *Assignment) members() *Node {
	if a.belongs == nil {
		a.belongs = hits(a.slot, a.remaining)
	}
	return a.belongs
}

// Keep drops all tokens but the protected ones, which come first, and the `keep` with the highest
// scores [batch, tokens], which follow in descending order (ties: lower position first).
func Keep(score *Node, protected, keep int) *Assignment {
	g := score.Graph()
	index := iota(g, score.Shape().Dimensions[0], score.Shape().Dimensions[1])
	order := AddScalar(rank(numbers(score), index, protected), protected)
	slot := Where(LessThan(order, scalar(g, protected+keep)), order, AddScalar(ZerosLike(order), -1))
	slot = Where(LessThan(index, scalar(g, protected)), index, slot)
	a := FuseSum(slot, OnesLike(slot), protected+keep).withoutGaps()
	a.drops = true
	return a
}

// Mix makes each fused token of all tokens, by shares [batch, fused, tokens], through which gradients
// flow. For sizes and source maps, which count whole tokens, a token goes where its share is largest.
func Mix(shares *Node) *Assignment {
	slot := ConvertDType(ArgMax(StopGradient(shares), 1), shares.DType())
	a := FuseSum(slot, OnesLike(slot), shares.Shape().Dimensions[1])
	a.shares = shares
	return a
}

// ForInference says that no gradient will be asked for what it pools, so that package native's operations may pool.
func (a *Assignment) ForInference() *Assignment {
	a.inference = true
	return a
}

// Remaining is the number of fused tokens.
func (a *Assignment) Remaining() int { return a.remaining }

// Slot returns, for each token, the fused token that takes it, [batch, tokens], -1 where dropped.
func (a *Assignment) Slot() *Node { return a.slot }

// Share returns the share of each token in the fused token that takes it, [batch, tokens].
func (a *Assignment) Share() *Node { return a.weight }

// Member returns the source map of this step, 0/1, [batch, fused tokens, tokens].
func (a *Assignment) Member() *Node { return ConvertDType(a.members(), a.slot.DType()) }

// Filled says which fused tokens any token went into, 0/1, [batch, fused tokens].
func (a *Assignment) Filled() *Node { return ReduceMax(a.Member(), 2) }

// Linear reports whether tokens are pooled by shares, so that pooling commutes with sums; a maximum
// does not.
func (a *Assignment) Linear() bool { return a.pool == nil }

// Soft reports whether fused tokens are made of shares of all tokens: then slots and shares do not say it all.
func (a *Assignment) Soft() bool { return a.shares != nil }

// Tokens pools tokens [batch, tokens, dim] -> [batch, fused tokens, dim].
func (a *Assignment) Tokens(x *Node) *Node {
	if a.pool != nil {
		return a.pool(a, x)
	}
	return a.Mean(x)
}

// Mean pools tokens by their shares, whatever the method's own pooling, [batch, tokens, dim] ->
// [batch, fused tokens, dim].
func (a *Assignment) Mean(x *Node) *Node {
	if a.shares != nil {
		return EinsumAxes(a.shares, x, [][2]int{{2, 1}}, [][2]int{{0, 0}})
	}
	return a.pooledBy(a.weight, x, func() *Node {
		if a.gapless {
			return a.pooled(x)
		}
		share := Mul(x, BroadcastToShape(InsertAxes(a.weight, -1), x.Shape()))
		return EinsumAxes(a.Member(), share, [][2]int{{2, 1}}, [][2]int{{0, 0}})
	})
}

// Sum adds up what belongs to the tokens of each group, [batch, tokens, n] -> [batch, fused tokens, n]:
// sizes, and source maps [batch, tokens, patches].
func (a *Assignment) Sum(x *Node) *Node {
	return a.pooledBy(Ones(x.Graph(), a.slot.Shape()), x, func() *Node {
		if x.Shape().Dim(-1) == 1 {
			return InsertAxes(a.sums(Squeeze(x, -1)), -1)
		}
		return EinsumAxes(a.Member(), x, [][2]int{{2, 1}}, [][2]int{{0, 0}})
	})
}

// sums adds up a number of each token over its group, [batch, tokens] -> [batch, fused tokens].
func (a *Assignment) sums(x *Node) *Node {
	full := shapes.Make(x.DType(), a.members().Shape().Dimensions...)
	return ReduceSum(Where(a.members(), BroadcastToShape(InsertAxes(x, 1), full), Zeros(x.Graph(), full)), 2)
}

// Spread gives each token what its group has: [batch, fused tokens, dim] -> [batch, tokens, dim].
// With it the fused map never needs to be formed: applying it to values v of fused tokens is
// Tokens(map Spread(v)).
func (a *Assignment) Spread(x *Node) *Node {
	return a.spreadOut(x, func() *Node {
		if a.gapless && !a.drops {
			return rows(x, a.slot)
		}
		return EinsumAxes(a.Member(), x, [][2]int{{1, 1}}, [][2]int{{0, 0}})
	})
}

// Map fuses an attention map with its tokens, [batch, heads, tokens, tokens] ->
// [batch, heads, fused tokens, fused tokens]: columns (keys) are summed, rows (queries) pooled as
// the tokens are.
func (a *Assignment) Map(attn *Node) *Node {
	columns := EinsumAxes(attn, a.Member(), [][2]int{{3, 2}}, [][2]int{{0, 0}}) // [b, h, t, f]
	d := columns.Shape().Dimensions
	rows := Reshape(TransposeAllAxes(columns, 0, 2, 1, 3), d[0], d[2], d[1]*d[3])
	pooled := a.Tokens(rows) // [b, f, h*f]
	return TransposeAllAxes(Reshape(pooled, d[0], a.remaining, d[1], d[3]), 0, 2, 1, 3)
}

// Max pools x [batch, tokens, dim] by the maximum over each group.
func (a *Assignment) Max(x *Node) *Node {
	d := x.Shape().Dimensions
	full := []int{d[0], a.remaining, d[1], d[2]}
	spread := BroadcastToDims(InsertAxes(x, 1), full...)
	belongs := BroadcastToDims(InsertAxes(a.members(), -1), full...)
	absent := Infinity(x.Graph(), x.DType(), -1)
	return ReduceMax(Where(belongs, spread, BroadcastToDims(absent, full...)), 2)
}

// shapeOf returns the shape [batch, tokens, last] for tokens x.
func shapeOf(x *Node, last int) shapes.Shape {
	return shapes.Make(x.DType(), x.Shape().Dimensions[0], x.Shape().Dimensions[1], last)
}
