package attention

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// operand is a tensor that a computation over blocks of queries reads: a block at a time along the
// axis of its queries, or as a whole (axis -1), as the keys.
type operand struct {
	x    *Node
	axis int
}

// inBlocks computes f of the operands with `block` queries at a time; the first operand is one that
// has queries. The results of the blocks stand one behind the other along an axis, or add up where it
// is -1. The gradient computes each block again: vjp takes it, and the gradient of its result, to the
// gradients of the operands.
//
// A block waits for the one before it. So one is in memory at a time, and no compiler finds that two
// uses of a map have blocks in common and keeps them all for the second.
func inBlocks(block int, in []operand, axis int, f func(in []*Node) *Node, vjp func(in []*Node, v *Node) []*Node) *Node {
	last := in[len(in)-1].x
	y := sequence(block, in, []int{axis}, last, func(in []*Node) []*Node { return []*Node{f(in)} })[0]
	return derived(StopGradient(y), in, func(v *Node) []*Node {
		var axes []int
		for _, o := range in {
			axes = append(axes, o.axis)
		}
		with := append(in[:len(in):len(in)], operand{v, axis})
		return sequence(block, with, axes, v, func(all []*Node) []*Node {
			return vjp(all[:len(in)], all[len(in)])
		})
	})
}

// sequence gives body one block of the operands after another, the first when `after` is known, and
// collects what it returns along axes as inBlocks does.
func sequence(block int, in []operand, axes []int, after *Node, body func(in []*Node) []*Node) []*Node {
	results := make([]*Node, len(axes))
	collected := make([][]*Node, len(axes))
	queries := in[0].x.Shape().Dimensions[in[0].axis]
	for start := 0; start < queries; start += block {
		var parts []*Node
		for _, o := range in {
			parts = append(parts, o.part(start, min(start+block, queries)))
		}
		parts[0] = SchedulingBarrier(parts[0], after)
		for i, y := range body(parts) {
			after = y
			switch {
			case axes[i] >= 0:
				collected[i] = append(collected[i], y)
			case results[i] == nil:
				results[i] = y
			default:
				results[i] = Add(results[i], y)
			}
		}
	}
	for i, axis := range axes {
		if axis >= 0 {
			results[i] = Concatenate(collected[i], axis)
		}
	}
	return results
}

// part is what belongs to the queries from start to end.
func (o operand) part(start, end int) *Node {
	if o.axis < 0 {
		return o.x
	}
	ranges := make([]SliceAxisSpec, o.axis+1)
	for i := range ranges {
		ranges[i] = AxisRange()
	}
	ranges[o.axis] = AxisRange(start, end)
	return Slice(o.x, ranges...)
}

// derived returns y with a gradient of its own: vjp takes that of y and returns those of the operands.
// What GoMLX lets one give a gradient is the identity of one tensor, so y and the operands are made
// one, of which y is a part; XLA sees that nothing is to be done.
func derived(y *Node, in []operand, vjp func(v *Node) []*Node) *Node {
	flat := func(x *Node) *Node { return Reshape(x, x.Shape().Size()) }
	all := []*Node{flat(y)}
	for _, o := range in {
		all = append(all, flat(o.x))
	}
	first := func(x *Node) *Node {
		return Reshape(Slice(x, AxisRange(0, y.Shape().Size())), y.Shape().Dimensions...)
	}
	return first(IdentityWithCustomGradient(Concatenate(all, 0), func(_, v *Node) *Node {
		gradients := []*Node{ZerosLike(all[0])}
		for _, d := range vjp(first(v)) {
			gradients = append(gradients, flat(d))
		}
		return Concatenate(gradients, 0)
	}))
}
