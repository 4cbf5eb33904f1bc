package vit

import (
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/native"
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
	// inference says that no gradient is asked for, so that package native's operations may compute.
	inference bool
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
	out := weight.Shape().Dimensions[0]
	return l.natively("linear", func() []*Node { return []*Node{l.part(x, weight, bias, 0, out)} }, []shapes.Shape{with(x, out)},
		x, weight, l.orZero(bias), l.settings(0))[0]
}

// orZero is a bias as an operand of package native, for which none is a single zero.
func (l layers) orZero(bias *Node) *Node {
	if bias == nil {
		return Zeros(l.graph, shapes.Make(dtypes.Float32, 1))
	}
	return bias
}

// part is affine with the rows `from` to from+out-1 of weight and bias.
func (l layers) part(x, weight, bias *Node, from, out int) *Node {
	y := l.product(x, rows(weight, from, out))
	if bias == nil {
		return y
	}
	return biased(y, rows(bias, from, out))
}

// rows are those of x from `from` to from+n-1.
func rows(x *Node, from, n int) *Node {
	if n == x.Shape().Dimensions[0] {
		return x
	}
	return Slice(x, AxisRange(from, from+n))
}

// with is the shape of x [..., in] with another last axis.
func with(x *Node, out int) shapes.Shape {
	s := x.Shape().Clone()
	s.Dimensions[s.Rank()-1] = out
	return s
}

// natively is an operation of package native on factors of a product, where no gradient is asked for and it
// multiplies numbers of the model's precision, else its definition.
func (l layers) natively(operation string, definition func() []*Node, results []shapes.Shape, operands ...*Node) []*Node {
	if !l.inference || !l.multiplied() {
		return definition()
	}
	return native.Call(operation, definition, results, operands...)
}

// multiplied reports whether package native multiplies numbers of the model's precision.
func (l layers) multiplied() bool {
	return l.dtype == Float32 || l.dtype == BFloat16 && native.BFloat16()
}

// settings are those of a linear layer in package native: from which row of its weight on, and whether its factors
// are bfloat16.
func (l layers) settings(from int) *Node {
	half := int32(0)
	if l.dtype == BFloat16 {
		half = 1
	}
	return Const(l.graph, []int32{int32(from), half})
}

// onto adds linear(y), for y [..., in], to x [..., out].
func (l layers) onto(x *Node, name string, y *Node) *Node {
	out := x.Shape().Dim(-1)
	weight, bias := l.value(name+".weight", out, y.Shape().Dim(-1)), l.value(name+".bias", out)
	return l.natively("linear_add", func() []*Node { return []*Node{Add(x, biased(l.product(y, weight), bias))} },
		[]shapes.Shape{x.Shape()}, y, weight, bias, l.settings(0), x)[0]
}

// biased is x [..., dim] plus bias [dim].
func biased(x, bias *Node) *Node {
	dim := x.Shape().Dim(-1)
	rows := x.Shape().Size() / dim
	return Reshape(Add(Reshape(x, rows, dim), repeat(bias, rows)), x.Shape().Dimensions...)
}

// product is x [..., in] times the transpose of weight [out, in].
func (l layers) product(x, weight *Node) *Node {
	// As one matrix of all tokens: the gradient of a product over several leading axes is 2.4 times
	// slower on XLA's CPU than that of a plain matrix product.
	in, out := weight.Shape().Dimensions[1], weight.Shape().Dimensions[0]
	y := l.dtype.product(Reshape(x, x.Shape().Size()/in, in), weight, 1, 1)
	return Reshape(y, append(slices.Clone(x.Shape().Dimensions[:x.Rank()-1]), out)...)
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
