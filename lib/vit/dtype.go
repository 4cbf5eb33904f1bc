package vit

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// DType names the precision in which a model multiplies: the products of its linear layers, its
// convolutions and its attention. All else is float32 whatever it is: weights, tokens, norms, softmax,
// what a fusion method sees and decides, logits, gradients. So it is what PyTorch calls autocast, and
// serves training too. For inference on XLA's CPU attention's products are float32 all the same (package native).
type DType string

const (
	Float32  DType = "" // "float32" in CONFIG.json
	BFloat16 DType = "bfloat16"
	Float16  DType = "float16"
)

// ParseDType reads the name of a precision: float32, bfloat16, float16.
func ParseDType(text string) (DType, error) {
	if text == "float32" {
		return Float32, nil
	}
	if d := DType(text); d == BFloat16 || d == Float16 {
		return d, nil
	}
	return Float32, fmt.Errorf("vit: unknown dtype %q: known are float32, bfloat16, float16", text)
}

func (d DType) String() string {
	if d == Float32 {
		return "float32"
	}
	return string(d)
}

func (d DType) of() dtypes.DType {
	switch d {
	case BFloat16:
		return dtypes.BFloat16
	case Float16:
		return dtypes.Float16
	}
	return dtypes.Float32
}

// factor is x as a factor of a product.
func (d DType) factor(x *Node) *Node { return ConvertDType(x, d.of()) }

// product is a product of the precision's factors along one axis each, in float32.
func (d DType) product(x, y *Node, axisX, axisY int) *Node {
	return Dot(d.factor(x), d.factor(y)).WithOutputDType(dtypes.Float32).EinsumAxes([][2]int{{axisX, axisY}}, nil)
}

// float is x in float32.
func float(x *Node) *Node { return ConvertDType(x, dtypes.Float32) }
