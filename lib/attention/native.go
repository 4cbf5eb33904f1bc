package attention

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/native"
)

// projected are queries and keys before their heads are split, [batch, tokens, heads*d] in float32.
type projected struct{ queries, keys *Node }

// For says of which queries and keys, [batch, tokens, heads*d], the heads were split, so that inference can
// compute attention by package native's operations, where the backend has them: no map is formed, whatever
// its size, and all is float32. No gradient flows through it.
func (s *Self) For(queries, keys *Node) *Self {
	with := *s
	with.projected, with.received, with.attn = &projected{queries, keys}, nil, nil
	return &with
}

// Mix is Apply of values as they were projected, [batch, keys, heads*d]; factor is what it does to a factor
// of a product.
func (s *Self) Mix(values *Node, factor func(*Node) *Node) *Node {
	heads := s.queries.Shape().Dimensions[1]
	mix := func() *Node { return s.Apply(Heads(factor(values), heads)) }
	operands := s.operands()
	if operands == nil {
		return mix()
	}
	d := values.Shape().Dimensions
	mixed := shapes.Make(dtypes.Float32, d[0], s.queries.Shape().Dimensions[2], d[2])
	out := native.Call("attention", func() []*Node { return []*Node{float(mix()), s.receivedBy(s.counts())} },
		[]shapes.Shape{mixed, s.perKey()}, append(operands, whole(values, heads))...)
	s.received = out[1]
	return out[0]
}

// form makes the map, and, where package native does, says what each token receives in the same go.
func (s *Self) form() {
	definition := func() *Node { return rows(s.scaled(), s.keys, s.bias) }
	operands := s.operands()
	if operands == nil || !s.fits() {
		s.attn = definition()
		return
	}
	d := s.queries.Shape().Dimensions
	out := native.Call("attention_map", func() []*Node {
		s.attn = definition()
		return []*Node{s.attn, s.receivedBy(s.counts())}
	}, []shapes.Shape{shapes.Make(dtypes.Float32, d[0], d[1], d[2], s.keys.Shape().Dimensions[2]), s.perKey()}, operands...)
	s.attn, s.formed = out[0], true
	if s.received == nil {
		s.received = out[1]
	}
}

// Ahead is attention one step ahead, of values [batch, fused tokens, heads*d] by slots and shares [batch, tokens], those
// of an assignment: [batch, fused tokens, heads*d]. definition makes it elsewhere.
func (s *Self) Ahead(definition func() *Node, values, slot, share *Node) *Node {
	if !s.formed {
		return definition()
	}
	heads := s.queries.Shape().Dimensions[1]
	return native.One("ahead", definition, values.Shape(), s.attn, whole(values, heads), slot, share)
}

// operands are those that package native's operations on attention have in common; nil where they do not serve.
func (s *Self) operands() []*Node {
	if s.projected == nil || !native.Takes(s.projected.queries, s.projected.keys) {
		return nil
	}
	times := s.times
	if times == nil {
		times = once(s.queries.Graph())
	}
	heads := s.queries.Shape().Dimensions[1]
	return []*Node{whole(s.projected.queries, heads), whole(s.projected.keys, heads), times, s.counts()}
}

// perKey is the shape of a statistic, [batch, keys].
func (s *Self) perKey() shapes.Shape {
	d := s.keys.Shape().Dimensions
	return shapes.Make(dtypes.Float32, d[0], d[2])
}

// whole is x [batch, tokens, heads*d] as [batch, tokens, heads, d].
func whole(x *Node, heads int) *Node {
	d := x.Shape().Dimensions
	return Reshape(x, d[0], d[1], heads, d[2]/heads)
}

// counts says how often each query counts in the statistics, [1 or batch, 1 or queries].
func (s *Self) counts() *Node {
	if s.present == nil {
		return once(s.queries.Graph())
	}
	return s.present
}

// once is 1 for all, [1, 1].
func once(g *Graph) *Node { return Ones(g, shapes.Make(dtypes.Float32, 1, 1)) }
