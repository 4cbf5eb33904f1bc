package attention

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// operand is a tensor that a computation over blocks of queries reads: a block at a time along the
// axis of its queries, or as a whole (axis -1), as the keys.
type operand struct {
	x    *Node
	axis int
}

// result is what such a computation makes: blocks that stand one behind the other along an axis, or
// that add up (axis -1).
type result struct {
	shape shapes.Shape
	axis  int
}

// inBlocks computes f of the operands with `block` queries at a time; the first operand is one that
// has queries.
//
// The blocks are steps of a loop, so that one of them is in memory at a time, whatever the compiler
// thinks of it. GoMLX does not derive loops: the gradient is a loop of its own over the same blocks,
// in which vjp computes each again, and from the gradient of its result those of the operands.
//
// f and vjp may use products, slices and elementwise operations. The rest is closed to them, in
// GoMLX v0.28 and its backends: no reduction (go-xla v0.4 keeps one function per kind of reduction, for
// the body of the loop or for the graph around it), no scalar constant and so no MulScalar and no
// Gradient (a graph shares its scalars with its loops, and go-xla refuses them there), no expansion of
// an axis of length 1 other than by the operation that needs it (the pure Go backend takes these out
// after it has counted who reads what, and fails with "not computed yet").
func inBlocks(block int, in []operand, out result, f func(in []*Node) *Node, vjp func(in []*Node, v *Node) []*Node) *Node {
	y := loop(block, in, []result{out}, func(in []*Node) []*Node { return []*Node{f(in)} })[0]
	return derived(StopGradient(y), in, func(v *Node) []*Node {
		var gradients []result
		for _, o := range in {
			gradients = append(gradients, result{o.x.Shape(), o.axis})
		}
		return loop(block, append(slices.Clip(in), operand{v, out.axis}), gradients, func(all []*Node) []*Node {
			return vjp(all[:len(in)], all[len(in)])
		})
	})
}

// loop gives body one block of the tensors `in` after another, and collects what it returns.
func loop(block int, in []operand, out []result, body func(in []*Node) []*Node) []*Node {
	g, queries := in[0].x.Graph(), in[0].x.Shape().Dimensions[in[0].axis]
	blocks := (queries + block - 1) / block
	state := []*Node{Const(g, int32(0))}
	for _, r := range out {
		state = append(state, operand{Zeros(g, r.shape), r.axis}.split(block, blocks))
	}
	for _, o := range in {
		state = append(state, o.split(block, blocks))
	}
	parameters := func(g *Graph) (at *Node, collected, whole []*Node) {
		var all []*Node
		for i, s := range state {
			all = append(all, Parameter(g, fmt.Sprintf("state%d", i), s.Shape()))
		}
		return all[0], all[1 : 1+len(out)], all[1+len(out):]
	}
	more := NewClosure(g, func(g *Graph) []*Node {
		at, _, _ := parameters(g)
		return []*Node{LessThan(at, Const(g, int32(blocks)))}
	})
	step := NewClosure(g, func(g *Graph) []*Node {
		at, collected, whole := parameters(g)
		index := Reshape(at, 1, 1)
		parts := slices.Clone(whole)
		for i, o := range in {
			if o.axis >= 0 {
				parts[i] = Squeeze(Gather(whole[i], index, true), 0)
			}
		}
		next := []*Node{Add(at, Const(g, int32(1)))}
		for i, y := range body(parts) {
			if out[i].axis >= 0 {
				next = append(next, put(collected[i], InsertAxes(y, 0), at))
			} else {
				next = append(next, Add(collected[i], y))
			}
		}
		return append(next, whole...)
	})
	results := While(more, step, state...)[1 : 1+len(out)]
	for i, r := range out {
		results[i] = r.join(results[i])
	}
	return results
}

// put writes y [1, ...] over the zeros at an index of the first axis of x.
func put(x, y, at *Node) *Node {
	g := x.Graph()
	if !g.Backend().Capabilities().Operations[compute.OpTypeDynamicUpdateSlice] { // as pure Go
		return ScatterSum(x, Reshape(at, 1, 1), y, true, true)
	}
	start := []*Node{at}
	for range x.Rank() - 1 {
		start = append(start, Const(g, int32(0)))
	}
	return DynamicUpdateSlice(x, y, start)
}

// total sums over an axis, as a product with ones, and keeps it with length 1.
func total(x *Node, axis int) *Node {
	n := x.Shape().Dimensions[axis]
	ones := BroadcastToDims(ConvertDType(Const(x.Graph(), float32(1)), x.DType()), n)
	return InsertAxes(EinsumAxes(x, ones, [][2]int{{axis, 0}}, nil), axis)
}

// largest is the maximum over the last axis, of one half and the other again and again, and keeps it
// with length 1.
func largest(x *Node) *Node {
	for n := x.Shape().Dim(-1); n > 1; n = (n + 1) / 2 {
		half := (n + 1) / 2
		ranges := make([]SliceAxisSpec, x.Rank()-1)
		for i := range ranges {
			ranges[i] = AxisRange()
		}
		x = Max(Slice(x, append(ranges, AxisRange(0, half))...), Slice(x, append(ranges, AxisRange(n-half, n))...))
	}
	return x
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

// split puts the blocks on an axis of their own, in front, the last one filled up with zeros:
// [..., queries, ...] -> [blocks, ..., block, ...].
func (o operand) split(block, blocks int) *Node {
	if o.axis < 0 {
		return o.x
	}
	dims := o.x.Shape().Dimensions
	pads := make([]compute.PadAxis, len(dims))
	pads[o.axis].End = block*blocks - dims[o.axis]
	x := Pad(o.x, ScalarZero(o.x.Graph(), o.x.DType()), pads...)
	dims = slices.Concat(dims[:o.axis], []int{blocks, block}, dims[o.axis+1:])
	return TransposeAllAxes(Reshape(x, dims...), moved(len(dims), o.axis, 0)...)
}

// join is the inverse of split.
func (r result) join(x *Node) *Node {
	if r.axis < 0 {
		return x
	}
	x = TransposeAllAxes(x, moved(x.Rank(), 0, r.axis)...)
	dims := x.Shape().Dimensions
	x = Reshape(x, slices.Concat(dims[:r.axis], []int{dims[r.axis] * dims[r.axis+1]}, dims[r.axis+2:])...)
	var ranges []SliceAxisSpec
	for _, n := range r.shape.Dimensions {
		ranges = append(ranges, AxisRange(0, n))
	}
	return Slice(x, ranges...)
}

// moved is the permutation of axes that takes one from a place to another and leaves the others in order.
func moved(rank, from, to int) []int {
	var axes []int
	for i := range rank {
		if i != from {
			axes = append(axes, i)
		}
	}
	return slices.Insert(axes, to, from)
}
