package vit

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/nn"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// layers gives a graph its learned layers. Variables carry timm's tensor names, with "/" for ".",
// and PyTorch's layout: a linear layer's weight is [out, in].
type layers struct {
	store *model.Store
	graph *Graph
}

func (l layers) value(name string, dims ...int) *Node {
	return l.store.VariableWithShape(variablePath(name), shapes.Make(dtypes.Float32, dims...), nil).NodeValue(l.graph)
}

// linear maps x [..., in] -> [..., out].
func (l layers) linear(name string, x *Node, out int) *Node {
	in := x.Shape().Dim(-1)
	weight, bias := l.value(name+".weight", out, in), l.value(name+".bias", out)
	y := EinsumAxes(x, weight, [][2]int{{x.Rank() - 1, 1}}, nil)
	return Add(y, BroadcastToShape(ExpandLeftToRank(bias, y.Rank()), y.Shape()))
}

// norm is layer norm over the last axis; ViT checkpoints want an epsilon of 1e-6.
func (l layers) norm(name string, x *Node) *Node {
	dim := x.Shape().Dim(-1)
	return nn.LayerNorm(x, []int{-1}, 1e-6, l.value(name+".weight", dim), l.value(name+".bias", dim), nil)
}

// mlp is linear, exact GELU, linear: [batch, tokens, dim] -> the same.
func (l layers) mlp(name string, x *Node, hidden int) *Node {
	return l.linear(name+".fc2", activation.Gelu(l.linear(name+".fc1", x, hidden)), x.Shape().Dim(-1))
}
