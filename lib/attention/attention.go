// Package attention is multi-head self-attention as Vision Transformers use it, with what token
// fusion needs beside it: proportional attention over fused tokens, and the statistics that say how
// much attention each token receives.
//
// Axis letters: b batch, h heads, q queries, k keys, d dimension of one head. Attention maps are
// always [batch, heads, queries, keys].
package attention

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// Heads splits x [batch, tokens, heads*d] into [batch, heads, tokens, d].
func Heads(x *Node, heads int) *Node {
	b, n, dim := x.Shape().Dimensions[0], x.Shape().Dimensions[1], x.Shape().Dimensions[2]
	return TransposeAllAxes(Reshape(x, b, n, heads, dim/heads), 0, 2, 1, 3)
}

// Join is the inverse of Heads: [batch, heads, tokens, d] -> [batch, tokens, heads*d].
func Join(x *Node) *Node {
	b, h, n, d := x.Shape().Dimensions[0], x.Shape().Dimensions[1], x.Shape().Dimensions[2], x.Shape().Dimensions[3]
	return Reshape(TransposeAllAxes(x, 0, 2, 1, 3), b, n, h*d)
}

// Map returns softmax(q kᵀ / sqrt(d)) over the keys, [batch, heads, queries, keys], for queries and
// keys [batch, heads, tokens, d].
//
// With size [batch, tokens, 1], the number of patches fused into each token, it is proportional
// attention, softmax(q kᵀ / sqrt(d) + log size): a token counts as often as the patches it stands
// for (ToMe, arXiv 2210.09461, eq. 1). A nil size is plain attention.
func Map(queries, keys, size *Node) *Node {
	d := queries.Shape().Dimensions[3]
	logits := EinsumAxes(MulScalar(queries, 1/math.Sqrt(float64(d))), keys, [][2]int{{3, 3}}, [][2]int{{0, 0}, {1, 1}})
	if size != nil {
		b, n := size.Shape().Dimensions[0], size.Shape().Dimensions[1]
		logits = Add(logits, BroadcastToShape(Reshape(Log(size), b, 1, 1, n), logits.Shape()))
	}
	return Softmax(logits, -1)
}

// Apply mixes values [batch, heads, keys, d] by a map [batch, heads, queries, keys] and joins the
// heads: [batch, queries, heads*d].
func Apply(attn, values *Node) *Node {
	return Join(EinsumAxes(attn, values, [][2]int{{3, 2}}, [][2]int{{0, 0}, {1, 1}}))
}

// Received returns the attention that each token receives, the mean of its column over heads and
// queries: [batch, heads, queries, keys] -> [batch, keys]. It is the token's informativeness in
// MCTF (arXiv 2403.10030, section 3.1).
func Received(attn *Node) *Node { return ReduceMean(attn, 1, 2) }

// FromClass returns the attention that the class token (token 0) pays to each token, the mean over
// heads: [batch, heads, queries, keys] -> [batch, keys]. It is EViT's attentiveness
// (arXiv 2202.07800, section 3.2).
func FromClass(attn *Node) *Node {
	return Squeeze(ReduceMean(Slice(attn, AxisRange(), AxisRange(), AxisElem(0), AxisRange()), 1), 1)
}

// MeanKeys averages the keys over the heads: [batch, heads, tokens, d] -> [batch, tokens, d], the
// metric by which ToMe compares tokens.
func MeanKeys(keys *Node) *Node { return ReduceMean(keys, 1) }
