package attention

import (
	. "github.com/gomlx/gomlx/core/graph"
)

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
// metric by which ToMe compares tokens; in float32.
func MeanKeys(keys *Node) *Node { return ReduceMean(float(keys), 1) }
