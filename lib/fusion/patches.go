package fusion

import (
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// patches returns the tokens that are not protected, [batch, tokens - protected, dim].
func patches(x *Node, protected int) *Node {
	return Slice(x, AxisRange(), AxisRangeToEnd(protected))
}

// onPatches changes the patches of x [batch, tokens, dim] and leaves the protected tokens as they are.
func onPatches(x *Node, protected int, change func(*Node) *Node) *Node {
	changed := change(patches(x, protected))
	if protected == 0 {
		return changed
	}
	return Concatenate([]*Node{Slice(x, AxisRange(), AxisRange(0, protected)), changed}, 1)
}

// mixPatches is Mix for shares [batch, fused patches, patches]: the protected tokens stay as they are
// and go first. Patches count as part of a fused patch, never of a protected token, be all their shares
// nought.
func mixPatches(shares *Node, protected int) *Assignment {
	g, d := shares.Graph(), shares.Shape().Dimensions
	slot := AddScalar(ConvertDType(ArgMax(StopGradient(shares), 1), shares.DType()), protected)
	if protected > 0 {
		zeros := func(rows, cols int) *Node { return Zeros(g, shapes.Make(shares.DType(), d[0], rows, cols)) }
		own := BroadcastPrefix(ConvertDType(Diagonal(g, protected), shares.DType()), d[0])
		shares = Concatenate([]*Node{
			Concatenate([]*Node{own, zeros(protected, d[2])}, 2),
			Concatenate([]*Node{zeros(d[1], protected), shares}, 2),
		}, 1)
		slot = Concatenate([]*Node{iota(g, d[0], protected), slot}, 1)
	}
	a := FuseSum(slot, OnesLike(slot), protected+d[1])
	a.shares = shares
	return a
}
