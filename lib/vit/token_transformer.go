package vit

import (
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/attention"
	"tokenfuse/lib/fusion"
)

// plainTransformer is the transformer block of the T2T-ViT_t: one head without qkv bias, the values as
// residual (tokens change their width from in to dim), and an MLP of ratio 1. As in the official code
// attention divides by the root of the width that enters, not of the head's.
type plainTransformer struct {
	name    string
	in, dim int
}

func (p plainTransformer) weights() []fusion.Weight {
	return slices.Concat(
		normWeights(p.name+".norm1", p.in),
		linearWeights(p.name+".attn.qkv", 3*p.dim, p.in, false),
		linearWeights(p.name+".attn.proj", p.dim, p.dim, true),
		normWeights(p.name+".norm2", p.dim),
		linearWeights(p.name+".mlp.fc1", p.dim, p.dim, true),
		linearWeights(p.name+".mlp.fc2", p.dim, p.dim, true),
	)
}

func (p plainTransformer) forward(l layers, x *Node) *Node {
	qkv := l.norm(p.name+".norm1", x).linear(l.value(p.name+".attn.qkv.weight", 3*p.dim, p.in), nil, 0, 3*p.dim, 1)[0]
	third := func(i int) *Node { return Slice(qkv, AxisRange(), AxisRange(), AxisRange(i*p.dim, (i+1)*p.dim)) }
	head := func(x *Node) *Node { return attention.Heads(l.dtype.factor(x), 1) }
	queries, keys := MulScalar(third(0), math.Sqrt(float64(p.dim)/float64(p.in))), third(1)
	self := attention.Of(head(queries), head(keys))
	if l.inference {
		self = self.For(queries, keys)
	}
	x = l.onto(third(2), p.name+".attn.proj", self.Mix(third(2), l.dtype.factor))
	return l.onto(x, p.name+".mlp.fc2", l.norm(p.name+".norm2", x).activated(p.name+".mlp.fc1", p.dim))
}

func (p plainTransformer) macs(tokens int) int {
	linear := p.in*3*p.dim + p.dim*p.dim + 2*p.dim*p.dim
	return tokens*linear + 2*tokens*tokens*p.dim + normMACs(tokens*(p.in+p.dim))
}

// sinusoids is the fixed position embedding of T2T-ViT, [tokens, dim] (Vaswani et al.,
// arXiv 1706.03762, section 3.5); the class token has position 0.
func sinusoids(tokens, dim int) []float32 {
	table := make([]float32, 0, tokens*dim)
	for position := range tokens {
		for i := range dim {
			angle := float64(position) / math.Pow(10000, float64(2*(i/2))/float64(dim))
			if i%2 == 0 {
				table = append(table, float32(math.Sin(angle)))
			} else {
				table = append(table, float32(math.Cos(angle)))
			}
		}
	}
	return table
}
