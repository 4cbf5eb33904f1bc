package vit

import (
	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/fusion"
)

// StochasticDepth leaves whole branches out in training (Huang et al., arXiv 1603.09382, as timm's
// DropPath and DeiT have it): the attention and the MLP of a block are each left out of an image's
// residual stream with a probability that rises evenly from 0 in the first block to Rate in the last,
// and divided by the probability of staying where they stay.
type StochasticDepth struct {
	Rate float64 // 0 to below 1
	// Key is a number of each image and training step, uint32 [batch], and all that the draws depend on
	// beside Seed: not on the other images, the place in the batch, or the backend.
	Key  *Node
	Seed int
}

// ForwardOption changes what Forward builds.
type ForwardOption func(*layers)

// forInference says that no gradient is asked for.
func forInference(l *layers) { l.inference = true }

// WithStochasticDepth is for training; inference leaves nothing out.
func WithStochasticDepth(d StochasticDepth) ForwardOption {
	return func(l *layers) { l.depth = d }
}

// stay returns the factors of a block's two branches, attention and MLP: 0, or 1 over the probability
// of staying, [batch, 1, 1] each; nil where all stay.
func (d StochasticDepth) stay(block, blocks int) (factors [2]*Node) {
	if d.Rate == 0 || block == 0 {
		return factors
	}
	rate := d.Rate * float64(block) / float64(blocks-1)
	drawn := fusion.Uniform(d.Key, d.Seed, block, len(factors)) // [batch, branches]
	stays := ConvertDType(GreaterOrEqual(drawn, Scalar(drawn.Graph(), drawn.DType(), rate)), drawn.DType())
	for i := range factors {
		factors[i] = MulScalar(InsertAxes(Slice(stays, AxisRange(), AxisElem(i)), -1), 1/(1-rate))
	}
	return factors
}
