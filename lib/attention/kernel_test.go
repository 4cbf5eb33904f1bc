package attention_test

import (
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/attention"
)

// TestKernel: with a backend's kernel, of which a plain computation takes the place, the values mix as
// with the formed map; what it does not take goes without it.
func TestKernel(t *testing.T) {
	plain := func(calls *int) func(queries, keys, values *Node, scale float64) *Node {
		return func(queries, keys, values *Node, scale float64) *Node {
			*calls++
			if d := queries.Shape().Dim(-1); d%8 != 0 || scale != 1/math.Sqrt(8) {
				t.Errorf("the kernel was given d = %d and a scale of %v, want a multiple of 8 and that of 8", d, scale)
			}
			logits := EinsumAxes(MulScalar(queries, scale), keys, [][2]int{{3, 3}}, [][2]int{{0, 0}, {1, 1}})
			return EinsumAxes(Softmax(logits, -1), values, [][2]int{{3, 2}}, [][2]int{{0, 0}, {1, 1}})
		}
	}
	for _, option := range options {
		t.Run(option.name, func(t *testing.T) {
			want := 1
			if option.name == "bias per query" || option.name == "all" {
				want = 0
			}
			compute := func(kernel func(queries, keys, values *Node, scale float64) *Node) []*tensors.Tensor {
				return execute(t, "go", inputs(8), func(in []*Node) []*Node {
					s := attention.Of(in[0], in[1])
					if kernel != nil {
						s = s.By(kernel)
					}
					y := option.of(s, in).Apply(in[2])
					return append([]*Node{y}, Gradient(ReduceAllSum(Sin(y)), in[:4]...)...)
				})
			}
			var calls int
			formed := compute(nil)
			for i, got := range compute(plain(&calls)) {
				differ(t, []string{"applied", "d queries", "d keys", "d values", "d key bias"}[i], got, formed[i], 1e-5)
			}
			if calls != want {
				t.Errorf("the kernel was called %d times, want %d", calls, want)
			}
			refused := compute(func(_, _, _ *Node, _ float64) *Node { return nil })
			differ(t, "without the kernel", refused[0], formed[0], 0)
		})
	}
}

// TestHalfPrecision: a backend without a kernel for bfloat16 goes without it, to bfloat16's precision.
// Not on pure Go, which has no softmax of it.
func TestHalfPrecision(t *testing.T) {
	out := execute(t, "xla", inputs(8), func(in []*Node) []*Node {
		exact := attention.Of(in[0], in[1]).Proportional(in[5]).Apply(in[2])
		half := func(x *Node) *Node { return ConvertDType(x, dtypes.BFloat16) }
		s := attention.Of(half(in[0]), half(in[1])).Proportional(half(in[5]))
		return []*Node{exact, ConvertDType(s.Apply(half(in[2])), dtypes.Float32)}
	})
	differ(t, "applied", out[1], out[0], 0.02)
}
