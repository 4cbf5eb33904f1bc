package fusion

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
)

// BenchmarkPooling is the pooling of a step one ahead (tokens, values spread, mixed values): 16 of 181
// tokens go, in a batch of 16, 384 wide.
func BenchmarkPooling(b *testing.B) {
	const batch, tokens, r, dim = 16, 181, 16, 384
	slots := make([]float32, batch*tokens)
	for i := range slots {
		slots[i] = float32(i % tokens % (tokens - r)) // the last r go into the first
	}
	for _, config := range []string{"go", accel.Choice()} {
		backend, err := accel.New(config)
		if err != nil {
			b.Fatal(err)
		}
		for name, lists := range map[string]bool{"lists": true, "matrix": false} {
			b.Run(config[:2]+"/"+name, func(b *testing.B) {
				exec := MustNewExec(backend, func(x, slot *Node) *Node {
					a := Fuse(slot, OnesLike(slot), tokens-r)
					a.gapless = lists
					return ReduceAllMax(a.Tokens(a.Spread(a.Tokens(x))))
				})
				defer exec.Finalize()
				x := tensors.FromScalarAndDimensions(float32(0.5), batch, tokens, dim)
				slot := tensors.FromFlatDataAndDimensions(slices.Clone(slots), batch, tokens)
				call := func() { _ = tensors.ToScalar[float32](exec.MustCall(x, slot)[0]) }
				call()
				for b.Loop() {
					call()
				}
			})
		}
	}
}

// TestLists: pooling by lists is pooling by the whole 0/1 matrix, to rounding, and so is its gradient:
// groups of one, of several, of most tokens, tokens that are dropped, nothing that is fused.
func TestLists(t *testing.T) {
	const dim = 3
	for name, slots := range map[string][]float32{
		"pairs":          {0, 1, 2, 1, 3, 0, 4},
		"one large":      {0, 1, 1, 1, 1, 1, 2},
		"first is later": {2, 2, 1, 0, 0, 1, 2},
		"nothing fused":  {0, 1, 2, 3, 4, 5, 6},
		"some dropped":   {-1, 0, 1, -1, 1, 2, -1},
	} {
		remaining := 0
		for _, s := range slots {
			remaining = max(remaining, int(s)+1)
		}
		rng := rand.New(rand.NewPCG(1, 1))
		random := func(n int) []float32 {
			data := make([]float32, n)
			for i := range data {
				data[i] = float32(1 + rng.Float64())
			}
			return data
		}
		tokens := len(slots)
		values, shares := random(2*tokens*dim), random(2*tokens)
		for _, config := range []string{"go", accel.Choice()} {
			t.Run(name+"/"+config[:2], func(t *testing.T) {
				backend, err := accel.New(config)
				if err != nil {
					t.Fatal(err)
				}
				x := tensors.FromFlatDataAndDimensions(values, 2, tokens, dim) // a tensor belongs to one backend
				weight := tensors.FromFlatDataAndDimensions(shares, 2, tokens)
				slot := tensors.FromFlatDataAndDimensions(slices.Concat(slots, slots), 2, tokens)
				results, err := CallOnceN(backend, func(in []*Node) []*Node {
					var out []*Node
					for _, a := range []*Assignment{Fuse(in[1], in[2], remaining), Fuse(in[1], in[2], remaining).withoutGaps()} {
						pooled := a.Tokens(in[0])
						if slots[0] >= 0 {
							pooled = Add(pooled, a.Tokens(a.Spread(Square(pooled))))
						}
						out = append(out, pooled, Gradient(ReduceAllSum(Square(pooled)), in[0])[0])
					}
					return out
				}, x, slot, weight)
				if err != nil {
					t.Fatal(err)
				}
				for k, what := range []string{"tokens", "gradient"} {
					want, got := tensors.MustCopyFlatData[float32](results[k]), tensors.MustCopyFlatData[float32](results[k+2])
					for i := range want {
						if d := math.Abs(float64(got[i]-want[i])) / math.Max(1, math.Abs(float64(want[i]))); !(d < 1e-5) {
							t.Fatalf("%s %d: %v, want %v", what, i, got[i], want[i])
						}
					}
				}
			})
		}
	}
}
