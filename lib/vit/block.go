package vit

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/attention"
	"tokenfuse/lib/fusion"
)

// stream is what flows from block to block.
type stream struct {
	x       *Node // tokens, [batch, tokens, dim]
	size    *Node // patches in each token, [batch, tokens, 1]; nil before the first fusion
	source  *Node // which of the first tokens went into each, 0/1, [batch, tokens, first tokens]; nil before the first fusion
	present *Node // 0/1, [batch, tokens]; nil while all tokens of all images are present
	key     *Node // a number of each image, uint32 [batch]
}

// fuse sends everything that belongs to the tokens through one decision.
func (s stream) fuse(a *fusion.Assignment, adaptive bool) stream {
	if s.size == nil {
		s.size = Ones(s.x.Graph(), sizeShape(s.x))
	}
	fused := stream{x: a.Tokens(s.x), size: a.Sum(s.size), source: a.Member(), key: s.key}
	if s.source != nil {
		fused.source = a.Sum(s.source)
	}
	switch {
	case s.present != nil:
		fused.present = MinScalar(Squeeze(a.Sum(InsertAxes(s.present, -1)), -1), 1)
	case adaptive:
		fused.present = a.Filled()
	}
	return fused
}

// block is one transformer block: attention and MLP, each on the norm of the residual stream, and
// the step of a fusion method at its place.
type block struct {
	layers
	name         string // "blocks.3"
	config       Config
	proportional bool
	step         *fusion.Step // nil: the plain block
	stay         [2]*Node     // stochastic depth's factors of attention and MLP; nil where they stay
}

// forward runs the block and returns the stream that leaves it.
func (b block) forward(s stream) stream {
	if b.watch != nil {
		b.watch(b.evidence(s, b.look(s)))
	}
	place := fusion.Place("")
	if b.step != nil {
		place = b.step.Place
	}
	switch place {
	case "":
		return b.plain(s)
	case fusion.BeforeBlock:
		return b.plain(b.fuse(s, attended{}))
	case fusion.AheadApproximate:
		// The map comes from the tokens before fusion, the values from those after it.
		at := b.look(s)
		a := b.assign(s, at)
		s = s.fuse(a, b.step.Adaptive)
		values := b.project(b.norm(b.name+".norm1", s.x), 2, 1)[0]
		if !a.Linear() {
			// A maximum does not commute with the sum over keys: form the fused map.
			return b.finish(s, attention.Apply(a.Map(at.self.Map()), b.heads(values)))
		}
		mix := func() *Node { return a.Tokens(float(b.mix(at.self, a.Spread(values)))) }
		if a.Soft() {
			return b.finish(s, mix())
		}
		return b.finish(s, at.self.Ahead(mix, values, a.Slot(), a.Share()))
	case fusion.AheadPrecise:
		return b.plain(b.fuse(s, b.look(s)))
	case fusion.BetweenAttentionAndMLP:
		at := b.attend(s)
		s = b.residual(s, b.mix(at.self, at.values))
		return b.afterMLP(b.fuse(s, at))
	case fusion.AfterBlock:
		at := b.attend(s)
		return b.fuse(b.finish(s, b.mix(at.self, at.values)), at)
	}
	panic(fmt.Errorf("vit: a fusion step asks for the unknown place %q", place))
}

func (b block) plain(s stream) stream {
	at := b.attend(s)
	return b.finish(s, b.mix(at.self, at.values))
}

// residual adds mixed values [batch, tokens, dim], projected, to the stream.
func (b block) residual(s stream, mixed *Node) stream {
	s.x = b.add(s.x, b.name+".attn.proj", mixed, b.stay[0])
	return s
}

// finish is what follows the mixing of values.
func (b block) finish(s stream, mixed *Node) stream { return b.afterMLP(b.residual(s, mixed)) }

// afterMLP is linear, exact GELU, linear, added to the stream.
func (b block) afterMLP(s stream) stream {
	inner := b.norm(b.name+".norm2", s.x).activated(b.name+".mlp.fc1", b.config.Hidden())
	s.x = b.add(s.x, b.name+".mlp.fc2", inner, b.stay[1])
	return s
}

// add is the residual connection, x + linear(y)/scale, where stochastic depth lets it stay.
func (b block) add(x *Node, name string, y, stay *Node) *Node {
	scale := b.config.residualScale()
	if stay == nil && scale == 1 {
		return b.onto(x, name, y)
	}
	y = b.linear(name, y, b.config.Dim)
	if stay != nil {
		y = Mul(y, BroadcastToShape(stay, y.Shape()))
	}
	if scale != 1 {
		y = DivScalar(y, scale)
	}
	return Add(x, y)
}

// attended is what a block's attention makes of the stream.
type attended struct {
	keys   *Node // [batch, heads, tokens, d]
	values *Node // [batch, tokens, dim]
	self   *attention.Self
}

func (b block) attend(s stream) attended {
	qkv := b.project(b.norm(b.name+".norm1", s.x), 0, 3)
	return b.attending(s, qkv[0], qkv[1], qkv[2])
}

// look is attend where the values are seldom wanted: they are computed apart, if they are.
func (b block) look(s stream) attended {
	x := b.norm(b.name+".norm1", s.x)
	qk := b.project(x, 0, 2)
	return b.attending(s, qk[0], qk[1], b.project(x, 2, 1)[0])
}

func (b block) attending(s stream, queries, keys, values *Node) attended {
	size := s.size
	if !b.proportional {
		size = nil
	}
	split := b.heads(keys)
	self := attention.Of(b.heads(queries), split)
	if b.inference {
		self = self.For(queries, keys)
	}
	return attended{keys: split, values: values, self: self.Proportional(size).Among(s.present)}
}

// project applies n thirds of the qkv projection, from the queries' (0), keys' (1) or values' (2) on:
// [batch, tokens, dim] -> each the same.
func (b block) project(x *normed, first, n int) []*Node {
	dim := b.config.Dim
	weight := b.value(b.name+".attn.qkv.weight", 3*dim, dim)
	var bias *Node
	if !b.config.NoQKVBias {
		bias = b.value(b.name+".attn.qkv.bias", 3*dim)
	}
	return x.linear(weight, bias, first*dim, dim, n)
}

// heads splits x [batch, tokens, dim] into [batch, heads, tokens, d], as a factor of products.
func (b block) heads(x *Node) *Node { return attention.Heads(b.dtype.factor(x), b.config.Heads) }

// mix mixes values by attention: [batch, tokens, dim].
func (b block) mix(self *attention.Self, values *Node) *Node {
	return self.Mix(values, b.dtype.factor)
}

func (b block) fuse(s stream, at attended) stream { return s.fuse(b.assign(s, at), b.step.Adaptive) }

// assign lets the step decide by what is known of the stream, and of its attention where there is one.
func (b block) assign(s stream, at attended) *fusion.Assignment {
	a := b.step.Assign(b.evidence(s, at))
	if a.Remaining() != b.step.Remaining {
		panic(fmt.Errorf("vit: %s: the fusion method left %d tokens where its step promised %d", b.name, a.Remaining(), b.step.Remaining))
	}
	if b.inference {
		a = a.ForInference()
	}
	return a
}

// evidence is what a step may look at.
func (b block) evidence(s stream, at attended) fusion.Evidence {
	e := fusion.Evidence{X: s.x, Size: s.size, Source: s.source, Present: s.present, Key: s.key, Learned: b.value, Inference: b.inference}
	if at.self != nil {
		e.Attention, e.Received, e.FromClass = at.self.Map(), at.self.Received(), at.self.FromClass()
		e.Keys, e.Values = attention.MeanKeys(at.keys), float(b.heads(at.values))
	}
	return e
}
