package attention_test

import (
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/attention"
)

// TestKernel: with a backend's kernel, of which a plain computation takes the place, the values mix, and
// tokens receive, as with the formed map, which is not formed; what it does not take goes without it.
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
			want := 2 // for the values, and for what tokens receive
			if option.name == "bias per query" || option.name == "all" {
				want = 0
			}
			compute := func(kernel func(queries, keys, values *Node, scale float64) *Node, serves bool) []*tensors.Tensor {
				return execute(t, "go", inputs(8), func(in []*Node) []*Node {
					s := attention.Of(in[0], in[1])
					if kernel != nil {
						s = s.By(kernel)
					}
					s = option.of(s, in)
					y, received := s.Apply(in[2]), s.Received()
					if want > 0 && s.Formed() == serves {
						t.Errorf("the map was formed: %v", s.Formed())
					}
					loss := Add(ReduceAllSum(Sin(y)), ReduceAllSum(Sin(MulScalar(received, 10))))
					return append([]*Node{y, received}, Gradient(loss, in[:4]...)...)
				})
			}
			var calls int
			formed := compute(nil, false)
			for i, got := range compute(plain(&calls), true) {
				differ(t, []string{"applied", "received", "d queries", "d keys", "d values", "d key bias"}[i], got, formed[i], 1e-5)
			}
			if calls != want {
				t.Errorf("the kernel was called %d times, want %d", calls, want)
			}
			refused := compute(func(_, _, _ *Node, _ float64) *Node { return nil }, false)
			differ(t, "applied without the kernel", refused[0], formed[0], 0)
			differ(t, "received without the kernel", refused[1], formed[1], 1e-6)
		})
	}
}

// TestHalfPrecision: half precision mixes, and tells what tokens receive, to its own precision, with the
// map formed and in blocks, forward and backward; the statistics are float32.
func TestHalfPrecision(t *testing.T) {
	names := []string{"applied", "received", "from class", "d queries", "d keys", "d values"}
	for _, backend := range []string{"go", "xla"} {
		for _, dtype := range []dtypes.DType{dtypes.BFloat16, dtypes.Float16} {
			for label, mapBytes := range map[string]int{"formed": attention.MapBytes, "blocks": 1} {
				t.Run(backend+"/"+dtype.String()+"/"+label, func(t *testing.T) {
					compute := func(dtype dtypes.DType) []*tensors.Tensor {
						return execute(t, backend, inputs(8), func(in []*Node) []*Node {
							half := func(x *Node) *Node { return ConvertDType(x, dtype) }
							s := attention.Of(half(in[0]), half(in[1])).Within(mapBytes, 3*2*3*11*4).Proportional(in[5])
							received, fromClass, y := s.Received(), s.FromClass(), s.Apply(half(in[2]))
							if y.DType() != dtype {
								t.Errorf("mixed values are %s, want %s", y.DType(), dtype)
							}
							y = ConvertDType(y, dtypes.Float32)
							loss := Add(ReduceAllSum(Sin(y)), ReduceAllSum(Sin(MulScalar(received, 10))))
							return append([]*Node{y, received, fromClass}, Gradient(loss, in[:3]...)...)
						})
					}
					exact := compute(dtypes.Float32)
					for i, got := range compute(dtype) {
						differ(t, names[i], got, exact[i], 0.02)
					}
				})
			}
		}
	}
}
