// Package attention is multi-head self-attention as Vision Transformers use it, with what token
// fusion needs beside it: proportional attention over fused tokens, and the statistics that say how
// much attention each token receives.
//
// Axis letters: b batch, h heads, q queries, k keys, d dimension of one head. Attention maps are
// always [batch, heads, queries, keys].
package attention

import (
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

// Apply mixes values [batch, heads, keys, d] by a map [batch, heads, queries, keys] and joins the
// heads: [batch, queries, heads*d].
func Apply(attn, values *Node) *Node {
	return Join(EinsumAxes(attn, values, [][2]int{{3, 2}}, [][2]int{{0, 0}, {1, 1}}))
}
