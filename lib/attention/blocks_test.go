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

// The cases of attention over blocks: 2 images, 3 heads, 11 tokens, d = 4. The options are taken from
// the inputs: values, a bias for keys, a bias for all, sizes, tokens present.
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

// TestBlocks: what is computed block by block is what the formed map gives, and so are its gradients.
func TestBlocks(t *testing.T) {
	const b, h, n, d, row = 2, 3, 11, 4, 2 * 3 * 11 * 4 // bytes of one row of the map
	rng := rand.New(rand.NewPCG(1, 2))
	sizes, present := make([]float32, b*n), make([]float32, b*n)
	for i := range sizes {
		sizes[i], present[i] = float32(1+rng.IntN(5)), 1
	}
	present[3], present[n+7], present[n+10] = 0, 0, 0
	inputs := func() []any { // tensors cannot move between backends
		rng := rand.New(rand.NewPCG(3, 4))
		return []any{random(rng, b, h, n, d), random(rng, b, h, n, d), random(rng, b, h, n, d),
			random(rng, b, 1, 1, n), random(rng, 1, h, n, n),
			tensors.FromFlatDataAndDimensions(sizes, b, n, 1), tensors.FromFlatDataAndDimensions(present, b, n)}
	}
	all, err := backends()
	if err != nil {
		t.Fatal(err)
	}
	// compute returns the statistics, the mixed values, and the gradients of a sum over both.
	compute := func(backend compute.Backend, of func(*attention.Self, []*Node) *attention.Self, mapBytes, blockBytes int) []*tensors.Tensor {
		t.Helper()
		exec, err := NewExec(backend, func(in []*Node) []*Node {
			s := of(attention.Of(in[0], in[1]).Within(mapBytes, blockBytes), in)
			s.Map() // asking for the map makes no difference
			out := []*Node{s.Received(), s.FromClass(), s.Apply(in[2])}
			loss := ScalarZero(in[0].Graph(), in[0].DType())
			for _, y := range out {
				loss = Add(loss, ReduceAllSum(Sin(MulScalar(y, 10))))
			}
			return append(out, Gradient(loss, in[:5]...)...)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer exec.Finalize()
		out, err := exec.Call(inputs()...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	names := []string{"received", "from class", "applied", "d queries", "d keys", "d values", "d key bias", "d bias"}
	for name, backend := range all {
		for _, option := range options {
			formed := compute(backend, option.of, 1<<30, 1)
			for label, rows := range map[string]int{"rows": 1, "thirds": 4, "one block": n} {
				t.Run(name+"/"+option.name+"/"+label, func(t *testing.T) {
					for i, got := range compute(backend, option.of, n*row-1, rows*row) {
						differ(t, names[i], got, formed[i], []float64{1e-6, 1e-5}[min(1, i/3)])
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
