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
// With it token labels (Jiang et al., arXiv 2104.10858) train a model under fusion: see TokenLabelLoss.
func TokenLabels(labels, source *Node) *Node {
	source = Slice(source, AxisRange(), AxisRangeToEnd(1), AxisRangeToEnd(1))
	sum := EinsumAxes(source, labels, [][2]int{{2, 1}}, [][2]int{{0, 0}})
	held := MaxScalar(ReduceAndKeep(source, ReduceSum, -1), 1)
	return StopGradient(Div(sum, BroadcastToShape(held, sum.Shape())))
}

// TokenLabelLoss is what trains a model with token labels (Jiang et al., arXiv 2104.10858, section 3):
// the cross entropy of the class token's logits with a target [batch, classes], plus `dense` times the
// mean over patches of the cross entropy of their tokens' logits with token labels [batch, patches,
// classes], in reading order. The paper has 0.5 for dense, the official code 1 unless told. Under fusion
// a token has the labels of its patches, pooled, and counts as often as it has patches; patches that
// were dropped do not count. A scalar.
func TokenLabelLoss(out Output, target, labels *Node, dense float64) *Node {
	class := Neg(ReduceAllMean(ReduceSum(Mul(target, LogSoftmax(out.ClassLogits, -1)), -1)))
	each := Neg(ReduceSum(Mul(TokenLabels(labels, out.Source), LogSoftmax(out.Dense, -1)), -1)) // [b, tokens-1]
	patches := StopGradient(Squeeze(Slice(out.Size, AxisRange(), AxisRangeToEnd(1)), -1))
	perImage := Div(ReduceSum(Mul(each, patches), 1), MaxScalar(ReduceSum(patches, 1), 1))
	return Add(class, MulScalar(ReduceAllMean(perImage), dense))
}
