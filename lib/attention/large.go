package attention

import (
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// use is a function of the map and of a tensor that goes with it, linear in both.
type use struct {
	of func(attn, x *Node) *Node
	// vjp takes the gradient v of `of` to those of the map and of x.
	vjp func(attn, x, v *Node) (dAttn, dX *Node)
}

// mixing is Apply, of values [batch, heads, keys, d].
var mixing = use{
	of: Apply,
	vjp: func(attn, values, v *Node) (dAttn, dValues *Node) {
		v = Heads(v, attn.Shape().Dimensions[1])
		dAttn = float(EinsumAxes(v, values, [][2]int{{3, 3}}, [][2]int{{0, 0}, {1, 1}}))
		return dAttn, EinsumAxes(ConvertDType(attn, v.DType()), v, [][2]int{{2, 2}}, [][2]int{{0, 0}, {1, 1}})
	},
}

// summing adds up the columns by the counts of queries [batch, queries], for each head: [batch, heads, keys].
var summing = use{
	of: func(attn, counts *Node) *Node {
		return EinsumAxes(attn, counts, [][2]int{{2, 1}}, [][2]int{{0, 0}})
	},
	vjp: func(attn, counts, v *Node) (dAttn, dCounts *Node) {
		dAttn = TransposeAllAxes(EinsumAxes(v, counts, nil, [][2]int{{0, 0}}), 0, 1, 3, 2)
		return dAttn, EinsumAxes(attn, v, [][2]int{{1, 1}, {3, 2}}, [][2]int{{0, 0}})
	},
}

// inBlocks makes use of a map that is too large to form, by blocks of queries.
func (s *Self) inBlocks(x operand, axis int, u use) blockwise {
	in := []operand{{s.scaled(), 2}, {s.keys, -1}}
	if s.bias != nil {
		in = append(in, operand{s.bias, s.biasAxis()})
	}
	in = append(in, x)
	formed := func(in []*Node) (attn, x *Node) {
		if s.bias != nil {
			return rows(in[0], in[1], in[2]), in[3]
		}
		return rows(in[0], in[1], nil), in[2]
	}
	return blockwise{block: s.block(), in: in, axis: axis, of: func(in []*Node) *Node {
		return u.of(formed(in))
	}, vjp: func(in []*Node, v *Node) []*Node {
		attn, x := formed(in)
		dAttn, dX := u.vjp(attn, x, v)
		dLogits := Mul(attn, Sub(dAttn, ReduceAndKeep(Mul(attn, dAttn), ReduceSum, -1)))
		factor := ConvertDType(dLogits, in[0].DType())
		gradients := []*Node{
			EinsumAxes(factor, in[1], [][2]int{{3, 2}}, [][2]int{{0, 0}, {1, 1}}),
			EinsumAxes(factor, in[0], [][2]int{{2, 2}}, [][2]int{{0, 0}, {1, 1}}),
		}
		if s.bias != nil {
			gradients = append(gradients, sumTo(dLogits, in[2].Shape()))
		}
		return append(gradients, dX)
	}}
}

// block is the number of queries in a block: as many as BlockBytes hold, and all in 16 blocks at most.
// The blocks are as even as they can be.
func (s *Self) block() int {
	const most = 16 // a graph of more takes minutes to compile
	queries := s.queries.Shape().Dimensions[2]
	blocks := min(queries, most, max(1, (s.bytes()+s.blockBytes-1)/s.blockBytes))
	return (queries + blocks - 1) / blocks
}

// sumTo adds up the axes of x along which a shape has the length 1.
func sumTo(x *Node, shape shapes.Shape) *Node {
	for axis, n := range shape.Dimensions {
		if n == 1 {
			x = ReduceAndKeep(x, ReduceSum, axis)
		}
	}
	return x
}
