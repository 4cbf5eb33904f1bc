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

// applyInBlocks is Apply for a map that is too large to form.
func (s *Self) applyInBlocks(values *Node) *Node {
	d := s.queries.Shape().Dimensions
	mixed := shapes.Make(values.DType(), d[0], d[2], d[1]*values.Shape().Dimensions[3])
	return s.fold(operand{values, -1}, result{mixed, 1}, use{
		of: Apply,
		vjp: func(attn, values, v *Node) (dAttn, dValues *Node) {
			v = Heads(v, d[1])
			dAttn = EinsumAxes(v, values, [][2]int{{3, 3}}, [][2]int{{0, 0}, {1, 1}})
			return dAttn, EinsumAxes(attn, v, [][2]int{{2, 2}}, [][2]int{{0, 0}, {1, 1}})
		},
	})
}

// receivedInBlocks is Received for a map that is too large to form.
func (s *Self) receivedInBlocks() *Node {
	d, keys := s.queries.Shape().Dimensions, s.keys.Shape().Dimensions[2]
	counts := s.present // [b, q]
	if counts == nil {
		counts = Ones(s.queries.Graph(), shapes.Make(s.queries.DType(), d[0], d[2]))
	}
	// By head, [b, h, k], which is one product; the rows that fill up the last block count 0.
	total := s.fold(operand{counts, 1}, result{shapes.Make(s.queries.DType(), d[0], d[1], keys), -1}, use{
		of: func(attn, counts *Node) *Node {
			return EinsumAxes(attn, counts, [][2]int{{2, 1}}, [][2]int{{0, 0}})
		},
		vjp: func(attn, counts, v *Node) (dAttn, dCounts *Node) {
			dAttn = TransposeAllAxes(EinsumAxes(v, counts, nil, [][2]int{{0, 0}}), 0, 1, 3, 2)
			return dAttn, EinsumAxes(attn, v, [][2]int{{1, 1}, {3, 2}}, [][2]int{{0, 0}})
		},
	})
	return Div(ReduceMean(total, 1), ReduceAndKeep(counts, ReduceSum, -1))
}

// fold computes a use of the map over blocks of queries.
func (s *Self) fold(x operand, out result, u use) *Node {
	n := s.queries.Shape().Dimensions[2]
	most := max(1, s.blockBytes/(s.bytes()/n))
	blocks := (n + most - 1) / most
	in := []operand{{s.scaled(), 2}, {s.keys, -1}, x}
	if s.bias != nil {
		in = append(in, operand{s.bias, s.biasAxis()})
	}
	attention := func(in []*Node) *Node {
		if s.bias == nil {
			return softmax(logits(in[0], in[1], nil))
		}
		return softmax(logits(in[0], in[1], in[3]))
	}
	return inBlocks((n+blocks-1)/blocks, in, out, func(in []*Node) *Node {
		return u.of(attention(in), in[2])
	}, func(in []*Node, v *Node) []*Node {
		attn := attention(in)
		dAttn, dX := u.vjp(attn, in[2], v)
		dLogits := Mul(attn, Sub(dAttn, total(Mul(attn, dAttn), 3)))
		gradients := []*Node{
			EinsumAxes(dLogits, in[1], [][2]int{{3, 2}}, [][2]int{{0, 0}, {1, 1}}),
			EinsumAxes(dLogits, in[0], [][2]int{{2, 2}}, [][2]int{{0, 0}, {1, 1}}),
			dX,
		}
		if s.bias != nil {
			gradients = append(gradients, sumTo(dLogits, in[3].Shape()))
		}
		return gradients
	})
}

// softmax is that of the rows of a block.
func softmax(logits *Node) *Node {
	x := Exp(Sub(logits, largest(logits)))
	return Div(x, total(x, 3))
}

// sumTo adds up the axes of x along which a shape has the length 1.
func sumTo(x *Node, shape shapes.Shape) *Node {
	for axis, n := range shape.Dimensions {
		if n == 1 {
			x = total(x, axis)
		}
	}
	return x
}
