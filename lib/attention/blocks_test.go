package attention_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/attention"
)

// backends are the pure Go backend, and XLA where `go run ./kernel setup` installed it.
var backends = sync.OnceValues(func() (map[string]compute.Backend, error) {
	all := map[string]compute.Backend{}
	for _, config := range []string{"go", accel.Choice()} {
		name, _, _ := strings.Cut(config, ":")
		if all[name] != nil {
			continue
		}
		backend, err := accel.New(config)
		if err != nil {
			return nil, err
		}
		all[name] = backend
	}
	return all, nil
})

// random is a tensor of numbers from -1 to 1.
func random(rng *rand.Rand, dims ...int) *tensors.Tensor {
	n := 1
	for _, d := range dims {
		n *= d
	}
	flat := make([]float32, n)
	for i := range flat {
		flat[i] = 2*rng.Float32() - 1
	}
	return tensors.FromFlatDataAndDimensions(flat, dims...)
}

// inputs are those of the options: 2 images, 3 heads, 11 tokens; queries, keys, values, a bias for keys,
// a bias for all, sizes, tokens present. They are made anew, as tensors cannot move between backends.
func inputs(d int) []any {
	const b, h, n = 2, 3, 11
	rng := rand.New(rand.NewPCG(1, 2))
	sizes, present := make([]float32, b*n), make([]float32, b*n)
	for i := range sizes {
		sizes[i], present[i] = float32(1+rng.IntN(5)), 1
	}
	present[3], present[n+7], present[n+10] = 0, 0, 0
	return []any{random(rng, b, h, n, d), random(rng, b, h, n, d), random(rng, b, h, n, d),
		random(rng, b, 1, 1, n), random(rng, 1, h, n, n),
		tensors.FromFlatDataAndDimensions(sizes, b, n, 1), tensors.FromFlatDataAndDimensions(present, b, n)}
}

var options = []struct {
	name string
	of   func(s *attention.Self, in []*Node) *attention.Self
}{
	{"plain", func(s *attention.Self, _ []*Node) *attention.Self { return s }},
	{"bias per key", func(s *attention.Self, in []*Node) *attention.Self { return s.Biased(in[3]) }},
	{"bias per query", func(s *attention.Self, in []*Node) *attention.Self { return s.Biased(in[4]) }},
	{"proportional", func(s *attention.Self, in []*Node) *attention.Self { return s.Proportional(in[5]) }},
	{"absent tokens", func(s *attention.Self, in []*Node) *attention.Self { return s.Among(in[6]) }},
	{"all", func(s *attention.Self, in []*Node) *attention.Self {
		return s.Biased(in[4]).Proportional(in[5]).Biased(in[3]).Among(in[6])
	}},
}

// execute builds and runs a graph on a backend; XLA where it is installed, else pure Go.
func execute(t *testing.T, backend string, in []any, f func([]*Node) []*Node) []*tensors.Tensor {
	t.Helper()
	all, err := backends()
	if err != nil {
		t.Fatal(err)
	}
	if all[backend] == nil {
		t.Skipf("backend %s is not installed", backend)
	}
	exec, err := NewExec(all[backend], f)
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Finalize()
	out, err := exec.Call(in...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestBlocks: what is computed block by block is what the formed map gives, and so are its gradients.
func TestBlocks(t *testing.T) {
	const n, row = 11, 2 * 3 * 11 * 4 // bytes of one row of the map
	names := []string{"received", "from class", "applied", "d queries", "d keys", "d values", "d key bias", "d bias"}
	for _, backend := range []string{"go", "xla"} {
		for _, option := range options {
			// compute returns the statistics, the mixed values, and the gradients of a sum over all.
			compute := func(t *testing.T, mapBytes, blockBytes int) []*tensors.Tensor {
				return execute(t, backend, inputs(4), func(in []*Node) []*Node {
					s := option.of(attention.Of(in[0], in[1]).Within(mapBytes, blockBytes), in)
					s.Map() // asking for the map makes no difference
					out := []*Node{s.Received(), s.FromClass(), s.Apply(in[2])}
					loss := ScalarZero(in[0].Graph(), in[0].DType())
					for _, y := range out {
						loss = Add(loss, ReduceAllSum(Sin(MulScalar(y, 10))))
					}
					return append(out, Gradient(loss, in[:5]...)...)
				})
			}
			for label, rows := range map[string]int{"rows": 1, "thirds": 4, "one block": n} {
				if backend == "xla" && (label != "thirds" || option.name != "plain" && option.name != "all") {
					continue // a second of compilation each, for nothing new
				}
				t.Run(backend+"/"+option.name+"/"+label, func(t *testing.T) {
					formed := compute(t, n*row, 1)
					for i, got := range compute(t, n*row-1, rows*row) {
						tolerance := 1e-6
						if i >= 3 {
							tolerance = 1e-5 // a gradient of sums that grow with the slope of 10
						}
						differ(t, names[i], got, formed[i], tolerance)
					}
				})
			}
		}
	}
}

func differ(t *testing.T, name string, got, want *tensors.Tensor, tolerance float64) {
	t.Helper()
	if !got.Shape().Equal(want.Shape()) {
		t.Fatalf("%s is %s, want %s", name, got.Shape(), want.Shape())
	}
	g, w := tensors.MustCopyFlatData[float32](got), tensors.MustCopyFlatData[float32](want)
	for i := range w {
		if !(math.Abs(float64(g[i]-w[i])) <= tolerance*max(1, math.Abs(float64(w[i])))) {
			t.Fatalf("%s differs at %d: %v, want %v", name, i, g[i], w[i])
		}
	}
}
