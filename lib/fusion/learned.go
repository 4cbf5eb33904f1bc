package fusion

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/nn"
)

// Start says what a learned weight is before training.
type Start string

const (
	StartByName Start = ""       // a bias 0, a linear layer's weight uniform within 1/sqrt(inputs)
	StartOnes   Start = "ones"   // of norms and scales
	StartNormal Start = "normal" // of deviation 1
)

// linearWeights declares a linear layer in PyTorch's layout.
func linearWeights(name string, in, out int) []Weight {
	return []Weight{{Name: name + ".weight", Dims: []int{out, in}}, {Name: name + ".bias", Dims: []int{out}}}
}

// linear maps x [batch, tokens, in] -> [batch, tokens, out] by a layer that linearWeights declared.
func (e Evidence) linear(name string, x *Node, out int) *Node {
	d := x.Shape().Dimensions
	weight, bias := e.Learned(name+".weight", out, d[2]), e.Learned(name+".bias", out)
	// As one matrix of all tokens, whose gradient is faster on XLA's CPU.
	y := EinsumAxes(Reshape(x, d[0]*d[1], d[2]), weight, [][2]int{{1, 1}}, nil)
	y = Add(y, BroadcastToShape(ExpandLeftToRank(bias, 2), y.Shape()))
	return Reshape(y, d[0], d[1], out)
}

// normWeights declares a layer norm.
func normWeights(name string, dim int) []Weight {
	return []Weight{{Name: name + ".weight", Dims: []int{dim}, Start: StartOnes}, {Name: name + ".bias", Dims: []int{dim}}}
}

// norm is a layer norm that normWeights declared, over the last axis of x [batch, tokens, dim]. Its
// epsilon is PyTorch's 1e-5, not the 1e-6 of a Vision Transformer's own norms.
func (e Evidence) norm(name string, x *Node) *Node {
	dim := x.Shape().Dim(-1)
	return nn.LayerNorm(x, []int{-1}, 1e-5, e.Learned(name+".weight", dim), e.Learned(name+".bias", dim), nil)
}

// normMACs is the cost of a layer norm, 5 per element as fvcore counts it.
func normMACs(tokens, dim int) int { return 5 * tokens * dim }
