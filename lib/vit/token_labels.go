package vit

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// strongest is the largest logit of each class over the tokens that hold a patch (size above 0; nil:
// all), [batch, tokens, classes] -> [batch, classes]. LV-ViT adds half of it to the logits of the class
// token at inference; the paper does not say so, the official code does.
func strongest(dense, size *Node) *Node {
	if size == nil {
		return ReduceMax(dense, 1)
	}
	held := BroadcastToShape(GreaterThan(size, ZerosLike(size)), dense.Shape())
	lowest := BroadcastToShape(Infinity(dense.Graph(), dense.DType(), -1), dense.Shape())
	return ReduceMax(Where(held, dense, lowest), 1)
}

// TokenLabels pools the labels of an image's patches, [batch, patches, classes] in reading order, as
// the model pooled its tokens: [batch, tokens, classes], one for each token of Output.Dense, the mean
// over the patches that it holds, 0 where it holds none. The source map is Output.Source; it has a row
// and a column for the class token, which has no token label. No gradient flows.
//
// With it token labels (Jiang et al., arXiv 2104.10858) train a model under fusion: the loss of
// each token counts as often as its size (Output.Size without the class token's) for the sum to remain
// one over patches.
func TokenLabels(labels, source *Node) *Node {
	source = Slice(source, AxisRange(), AxisRangeToEnd(1), AxisRangeToEnd(1))
	sum := EinsumAxes(source, labels, [][2]int{{2, 1}}, [][2]int{{0, 0}})
	held := MaxScalar(ReduceAndKeep(source, ReduceSum, -1), 1)
	return StopGradient(Div(sum, BroadcastToShape(held, sum.Shape())))
}
