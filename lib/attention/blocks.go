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

// blockwise is a computation with `block` queries at a time; the first operand is one that has queries.
// The results of the blocks stand one behind the other along an axis, or add up where it is -1.
//
// A block waits for the one before it. So one is in memory at a time, and no compiler finds that two
// uses of a map have blocks in common and keeps them all for the second.
type blockwise struct {
	block int
	in    []operand
	axis  int
	of    func(in []*Node) *Node
	// vjp takes the operands, and the gradient v of their result, to the gradients of the operands.
	vjp func(in []*Node, v *Node) []*Node
}

// value computes it. The gradient computes each block again.
func (c blockwise) value() *Node {
	last := c.in[len(c.in)-1].x
	return c.derived(sequence(c.block, c.in, []int{c.axis}, last, func(in []*Node) []*Node { return []*Node{c.of(in)} })[0])
}

// derived returns y, which is the value by other means, with the gradient of the blocks.
func (c blockwise) derived(y *Node) *Node {
	return derived(StopGradient(y), c.in, func(v *Node) []*Node {
		var axes []int
		for _, o := range c.in {
			axes = append(axes, o.axis)
		}
		with := append(c.in[:len(c.in):len(c.in)], operand{v, c.axis})
		return sequence(c.block, with, axes, v, func(all []*Node) []*Node {
			return c.vjp(all[:len(c.in)], all[len(c.in)])
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
// one of float32, of which y is a part; XLA sees that nothing is to be done.
func derived(y *Node, in []operand, vjp func(v *Node) []*Node) *Node {
	flat := func(x *Node) *Node { return float(Reshape(x, x.Shape().Size())) }
	all := []*Node{flat(y)}
	for _, o := range in {
		all = append(all, flat(o.x))
	}
	first := func(x *Node) *Node {
		return ConvertDType(Reshape(Slice(x, AxisRange(0, y.Shape().Size())), y.Shape().Dimensions...), y.DType())
	}
	return first(IdentityWithCustomGradient(Concatenate(all, 0), func(_, v *Node) *Node {
		gradients := []*Node{ZerosLike(all[0])}
		for _, d := range vjp(first(v)) {
			gradients = append(gradients, flat(d))
		}
		return Concatenate(gradients, 0)
	}))
}
