package vit

import (
	"slices"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/nn"

	"tokenfuse/lib/native"
)

// normed is the layer norm of tokens over the last axis. Package native's linear layers make it of the tokens
// as they read them; what else asks for it gets it whole.
type normed struct {
	layers
	x, gamma, beta *Node // [..., dim], [dim], [dim]
	whole          *Node // the norm, once it was asked for
}

func (l layers) norm(name string, x *Node) *normed {
	dim := x.Shape().Dim(-1)
	return &normed{layers: l, x: x, gamma: l.value(name+".weight", dim), beta: l.value(name+".bias", dim)}
}

// tokens are the norm itself, [..., dim].
func (n *normed) tokens() *Node {
	if n.whole == nil {
		definition := func() *Node { return nn.LayerNorm(n.x, []int{-1}, n.epsilon, n.gamma, n.beta, nil) }
		if n.inference {
			n.whole = native.One("layer_norm", definition, n.x.Shape(), n.x, n.gamma, n.beta, n.tiny())
		} else {
			n.whole = definition()
		}
	}
	return n.whole
}

// tiny is what a norm adds to the variance.
func (n *normed) tiny() *Node { return Const(n.graph, float32(n.epsilon)) }

// linear maps the norm to n results [..., out] by as many stretches of the rows of weight and bias, from row
// `from` on; a nil bias is none.
func (n *normed) linear(weight, bias *Node, from, out, count int) []*Node {
	definition := func() (results []*Node) {
		for i := range count {
			results = append(results, n.part(n.tokens(), weight, bias, from+i*out, out))
		}
		return results
	}
	return n.natively("norm_linear", definition, slices.Repeat([]shapes.Shape{with(n.x, out)}, count),
		n.x, weight, n.orZero(bias), n.settings(from), n.gamma, n.beta, n.tiny())
}

// activated is exact GELU of a linear layer of the norm: [..., out].
func (n *normed) activated(name string, out int) *Node {
	weight, bias := n.value(name+".weight", out, n.x.Shape().Dim(-1)), n.value(name+".bias", out)
	gelu := func(product *Node) *Node { return activation.Gelu(biased(product, bias)) }
	if n.inference && !n.multiplied() {
		product := n.product(n.tokens(), weight)
		return native.One("gelu", func() *Node { return gelu(product) }, product.Shape(), product, bias)
	}
	return n.natively("norm_linear_gelu", func() []*Node { return []*Node{gelu(n.product(n.tokens(), weight))} },
		[]shapes.Shape{with(n.x, out)}, n.x, weight, bias, n.settings(0), n.gamma, n.beta, n.tiny())[0]
}
