package vit

import (
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/nn"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"tokenfuse/lib/fusion"
)

// layers gives a graph its learned layers. Variables carry timm's tensor names, with "/" for ".",
// and PyTorch's layout: a linear layer's weight is [out, in].
type layers struct {
	store   *model.Store
	graph   *Graph
	epsilon float64 // of layer norms
	dtype   DType   // of products
	depth   StochasticDepth
	watch   func(fusion.Evidence) // sees what each block knows, where it is set
}

func (l layers) value(name string, dims ...int) *Node {
	return l.store.VariableWithShape(variablePath(name), shapes.Make(dtypes.Float32, dims...), nil).NodeValue(l.graph)
}

// linear maps x [..., in] -> [..., out].
func (l layers) linear(name string, x *Node, out int) *Node {
	return l.affine(x, l.value(name+".weight", out, x.Shape().Dim(-1)), l.value(name+".bias", out))
}

// affine is x [..., in] times the transpose of weight [out, in], plus bias [out]; a nil bias is none.
func (l layers) affine(x, weight, bias *Node) *Node {
	// As one matrix of all tokens: the gradient of a product over several leading axes is 2.4 times
	// slower on XLA's CPU than that of a plain matrix product.
	in, out := weight.Shape().Dimensions[1], weight.Shape().Dimensions[0]
	rows := x.Shape().Size() / in
	y := l.dtype.product(Reshape(x, rows, in), weight, 1, 1)
	if bias != nil {
		y = Add(y, repeat(bias, rows))
	}
	dims := append(slices.Clone(x.Shape().Dimensions[:x.Rank()-1]), out)
	return Reshape(y, dims...)
}

// repeat is x [...] n times, [n, ...]: a bias for each token, a position embedding for each image.
//
// It is a product with ones, not a broadcast, for its gradient's sake: the sum over n is then a product too,
// which reads a finished matrix. A plain sum XLA's CPU compiler fuses with all that leads to it: the sum of what
// flows back along the residual stream from every later block, computed anew, column by column, for each
// bias. Half of a training step went there, and the more the deeper the model. Forward it compiles to the
// broadcast it is.
func repeat(x *Node, n int) *Node {
	flat := Dot(Ones(x.Graph(), shapes.Make(x.DType(), n, 1)), Reshape(x, 1, x.Shape().Size())).Product()
	return Reshape(flat, append([]int{n}, x.Shape().Dimensions...)...)
}

// norm is layer norm over the last axis.
func (l layers) norm(name string, x *Node) *Node {
	dim := x.Shape().Dim(-1)
	return nn.LayerNorm(x, []int{-1}, l.epsilon, l.value(name+".weight", dim), l.value(name+".bias", dim), nil)
}

// mlp is linear, exact GELU, linear: [batch, tokens, dim] -> the same.
func (l layers) mlp(name string, x *Node, hidden int) *Node {
	return l.linear(name+".fc2", activation.Gelu(l.linear(name+".fc1", x, hidden)), x.Shape().Dim(-1))
}
