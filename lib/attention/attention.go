// Package attention is multi-head self-attention as Vision Transformers use it, with what token
// fusion needs beside it: proportional attention over fused tokens, and the statistics that say how
// much attention each token receives.
//
// Axis letters: b batch, h heads, q queries, k keys, d dimension of one head. Attention maps are
// always [batch, heads, queries, keys].
//
// # What is formed, and when
//
// A map is 4 b h q k bytes of float32: 15 MB for 16 images of 224x224 in DeiT-S, 403 MB for one of
// 1024x1024, in each layer.
//
//   - Up to [MapBytes] the map is formed once, and [Self.Apply] and [Self.Received] read it.
//   - Beyond, each of them goes over blocks of queries of some [BlockBytes], one at a time, and so do
//     their gradients, which compute the blocks again: that costs 1.2 times the time of a formed map at
//     4097 tokens, and up to twice at a few hundred. A graph has 16 blocks at most, so that a block
//     grows with a map beyond 1 GiB.
//   - [Self.FromClass] takes the one row that it needs.
//   - [Self.Map] is the whole map whatever its size, but is computed only if something reads it:
//     asking for it costs nothing, and has no part in how the others are computed. Of the methods of
//     package fusion, those do that read Evidence.Attention, and MCTF one step ahead with a pooling
//     that is no weighted mean.
//   - For inference on XLA's CPU, Mix and Received form no map, and FromClass takes its one row, by package
//     native; but where MCTF fuses one step ahead the map is there for both its uses, up to [MapBytes].
//   - Where the backend has attention as one operation, Apply is that and Received its gradient, which
//     forms no map either: cuDNN's on CUDA, in float16 and bfloat16, which a model of package vit
//     computes in by its dtype. It was tried by a stand-in, not on a GPU.
//
// A bias as large as the map (one per query) is there as a whole, in blocks too.
//
// # One step ahead
//
// MCTF (arXiv 2403.10030) fuses the tokens of a block by the block's own map A, and mixes
// the values V of the fused tokens by the fused map: columns summed, rows pooled. With the pooling
// matrix P [fused, tokens] and the membership U [tokens, fused], 0/1, that is
//
//	(P A U) V = P (A (U V))
//
// and the right side needs no fused map: each token gets the value of its group, ordinary
// attention mixes them, and the rows of what comes out are pooled as the tokens were. It is exact for
// every pooling that is a weighted sum; a maximum needs the fused map.
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
// heads: [batch, queries, heads*d], in the precision of the values.
func Apply(attn, values *Node) *Node {
	return Join(EinsumAxes(ConvertDType(attn, values.DType()), values, [][2]int{{3, 2}}, [][2]int{{0, 0}, {1, 1}}))
}
