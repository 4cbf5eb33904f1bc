package vit

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/attention"
	"tokenfuse/lib/fusion"
)

// stream is what flows from block to block.
type stream struct {
	x      *Node // tokens, [batch, tokens, dim]
	size   *Node // patches in each token, [batch, tokens, 1]; nil before the first fusion
	source *Node // which of the first tokens went into each, 0/1, [batch, tokens, first tokens]; nil before the first fusion
}

// fuse sends everything that belongs to the tokens through one decision.
func (s stream) fuse(a *fusion.Assignment) stream {
	if s.size == nil {
		s.size = Ones(s.x.Graph(), sizeShape(s.x))
	}
	fused := stream{x: a.Tokens(s.x), size: a.Sum(s.size), source: a.Member()}
	if s.source != nil {
		fused.source = a.Sum(s.source)
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
}

// forward runs the block and returns the stream that leaves it.
func (b block) forward(s stream) stream {
	place := fusion.Place("")
	if b.step != nil {
		place = b.step.Place
	}
	switch place {
	case fusion.AheadApproximate:
		// The map comes from the tokens before fusion, the values from those after it.
		keys, attn := b.attend(s)
		a := b.assign(s, keys, attn)
		s = s.fuse(a)
		values := b.project(b.norm(b.name+".norm1", s.x), 2)
		mixed := a.Tokens(attention.Apply(attn, b.heads(a.Spread(values))))
		if a.PoolsByMaximum() {
			// A maximum does not commute with the sum over keys: form the fused map.
			mixed = attention.Apply(a.Map(attn), b.heads(values))
		}
		return b.finish(s, mixed)
	case fusion.AheadPrecise:
		keys, attn := b.attend(s)
		return b.plain(s.fuse(b.assign(s, keys, attn)))
	case fusion.BetweenAttentionAndMLP:
		keys, attn, after := b.afterAttention(s)
		return b.afterMLP(after.fuse(b.assign(after, keys, attn)))
	case fusion.AfterBlock:
		keys, attn, after := b.afterAttention(s)
		after = b.afterMLP(after)
		return after.fuse(b.assign(after, keys, attn))
	case "":
		return b.plain(s)
	}
	panic(fmt.Errorf("vit: a fusion step asks for the unknown place %q", place))
}

func (b block) plain(s stream) stream {
	_, _, s = b.afterAttention(s)
	return b.afterMLP(s)
}

// afterAttention returns the stream behind the attention's residual connection, with the keys and
// the map that made it.
func (b block) afterAttention(s stream) (keys, attn *Node, after stream) {
	keys, attn = b.attend(s)
	values := b.heads(b.project(b.norm(b.name+".norm1", s.x), 2))
	s.x = Add(s.x, b.linear(b.name+".attn.proj", attention.Apply(attn, values), b.config.Dim))
	return keys, attn, s
}

// finish adds mixed values [batch, tokens, dim] to the stream, and the MLP.
func (b block) finish(s stream, mixed *Node) stream {
	s.x = Add(s.x, b.linear(b.name+".attn.proj", mixed, b.config.Dim))
	return b.afterMLP(s)
}

func (b block) afterMLP(s stream) stream {
	s.x = Add(s.x, b.mlp(b.name+".mlp", b.norm(b.name+".norm2", s.x), b.config.Hidden()))
	return s
}

// attend returns keys [batch, heads, tokens, d] and the attention map of the stream.
func (b block) attend(s stream) (keys, attn *Node) {
	x := b.norm(b.name+".norm1", s.x)
	size := s.size
	if !b.proportional {
		size = nil
	}
	keys = b.heads(b.project(x, 1))
	return keys, attention.Map(b.heads(b.project(x, 0)), keys, size)
}

// project applies the queries' (0), keys' (1) or values' (2) third of the qkv projection:
// [batch, tokens, dim] -> the same.
func (b block) project(x *Node, third int) *Node {
	dim := b.config.Dim
	rows := AxisRange(third*dim, (third+1)*dim)
	weight := Slice(b.value(b.name+".attn.qkv.weight", 3*dim, dim), rows)
	bias := Slice(b.value(b.name+".attn.qkv.bias", 3*dim), rows)
	return affine(x, weight, bias)
}

func (b block) heads(x *Node) *Node { return attention.Heads(x, b.config.Heads) }

func (b block) assign(s stream, keys, attn *Node) *fusion.Assignment {
	a := b.step.Assign(fusion.Evidence{
		X: s.x, Size: s.size, Attention: attn, Keys: attention.MeanKeys(keys),
		Received: attention.Received(attn), FromClass: attention.FromClass(attn),
	})
	if a.Remaining() != b.step.Remaining {
		panic(fmt.Errorf("vit: %s: the fusion method left %d tokens where its step promised %d", b.name, a.Remaining(), b.step.Remaining))
	}
	return a
}
