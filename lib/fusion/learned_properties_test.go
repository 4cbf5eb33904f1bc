package fusion_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
)

// TestDynamicViTTies: a predictor that knows nothing scores all patches alike, and the first are kept.
func TestDynamicViTTies(t *testing.T) {
	for name, backend := range backends(t) {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(4, 5))
			in, _ := randomTensors(rng, 9, false)
			single := fusion.Single{Method: fusion.DynamicViT{KeepRate: 0.5, Layers: []int{0}}, Protected: 1}
			in.Learned = untrained(t, single, in.X, func() float32 { return 0 })
			out, err := single.Run(backend, in)
			if err != nil {
				t.Fatal(err)
			}
			x := tensors.MustCopyFlatData[float32](in.X)
			if got := tensors.MustCopyFlatData[float32](out.X); !slices.Equal(got, x[:len(got)]) || len(got) != 5*8 {
				t.Errorf("%d of 40 numbers, or other patches than the first four", len(got))
			}
		})
	}
}

// untrained makes the weights of a step on x.
func untrained(t *testing.T, single fusion.Single, x *tensors.Tensor, draw func() float32) map[string]*tensors.Tensor {
	t.Helper()
	d := x.Shape().Dimensions
	step, err := single.Method.Step(fusion.Layer{Depth: 1, Tokens: d[1], Protected: single.Protected, Dim: d[2], Heads: 1})
	if err != nil || step == nil {
		t.Fatal(step, err)
	}
	all := map[string]*tensors.Tensor{}
	for _, w := range step.Learned {
		size := 1
		for _, n := range w.Dims {
			size *= n
		}
		data := make([]float32, size)
		for i := range data {
			data[i] = draw()
		}
		all[w.Name] = tensors.FromFlatDataAndDimensions(data, w.Dims...)
	}
	return all
}

// TestLearnedProperties: with random weights, as many tokens are left as promised, each patch counts once and behind the protected tokens,
// which are untouched; backends agree; an image fares alike alone and in a batch.
func TestLearnedProperties(t *testing.T) {
	all := backends(t)
	for _, name := range []string{"dynamicvit", "sit", "patchmerger", "sinkhorn"} {
		for _, s := range []struct{ tokens, protected int }{{2, 0}, {18, 2}} {
			t.Run(fmt.Sprintf("%s/tokens=%d,protected=%d", name, s.tokens, s.protected), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(s.tokens), 77))
				single, err := fusion.ParseSingle([]byte(fmt.Sprintf(`{"method":%q,"keep_rate":0.5,"protected":%d}`, name, s.protected)))
				if err != nil {
					t.Fatal(err)
				}
				one, _ := randomTensors(rng, s.tokens, true)
				two, _ := randomTensors(rng, s.tokens, true)
				learned := untrained(t, single, one.X, func() float32 { return float32(rng.NormFloat64()) })
				var outs []*fusion.Tensors
				for _, backend := range all {
					both := fusion.Tensors{X: stacked(one.X, two.X), Size: stacked(one.Size, two.Size), Learned: learned}
					together, err := single.Run(backend, cloned(t, both))
					if err != nil {
						t.Fatal(err)
					}
					eachCounts(t, s.tokens, s.protected, name == "dynamicvit", &both, together)
					outs = append(outs, together)
					if s.protected == 0 {
						continue // each run is a compilation
					}
					alone, err := single.Run(backend, cloned(t, fusion.Tensors{X: two.X, Size: two.Size, Learned: learned}))
					if err != nil {
						t.Fatal(err)
					}
					secondAlike(t, together.X, alone.X, 1e-5)
					secondAlike(t, together.Source, alone.Source, 0)
				}
				for _, other := range outs[1:] {
					if d := distance(t, outs[0].X, other.X); d > 2e-5 {
						t.Errorf("tokens differ by %g between backends", d)
					}
					if d := distance(t, outs[0].Source, other.Source); d > 0 {
						t.Error("source maps differ between backends")
					}
				}
			})
		}
	}
}

// eachCounts checks that each token counts once (or is dropped), protected tokens alone in their places.
func eachCounts(t *testing.T, tokens, protected int, drops bool, in, out *fusion.Tensors) {
	t.Helper()
	left := protected + max(1, (tokens-protected)/2)
	if got := out.Source.Shape().Dimensions; !slices.Equal(got, []int{2, left, tokens}) {
		t.Fatalf("the source map is %v, want [2 %d %d]", got, left, tokens)
	}
	source, size := tensors.MustCopyFlatData[float32](out.Source), tensors.MustCopyFlatData[float32](out.Size)
	before := tensors.MustCopyFlatData[float32](in.Size)
	for b := range 2 {
		inAll := float32(0)
		for k := range tokens {
			total := float32(0)
			for f := range left {
				v := source[(b*left+f)*tokens+k]
				total += v
				if want := f == k; (f < protected || k < protected) && (v == 1) != want {
					t.Errorf("image %d: token %d counts in fused token %d: %v", b, k, f, v)
				}
			}
			if total != 1 && !(drops && total == 0) {
				t.Errorf("image %d: token %d counts %v times", b, k, total)
			}
			inAll += before[b*tokens+k] * total
		}
		for f := range left {
			inAll -= size[b*left+f]
		}
		if inAll != 0 {
			t.Errorf("image %d: sizes are off by %v", b, inAll)
		}
	}
	untouched(t, protected, in.X, out.X)
}

// secondAlike checks the second image of a batch against the image alone.
func secondAlike(t *testing.T, batch, alone *tensors.Tensor, tolerance float64) {
	t.Helper()
	want := tensors.MustCopyFlatData[float32](alone)
	got := tensors.MustCopyFlatData[float32](batch)[len(want):]
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > tolerance {
			t.Fatalf("%v in a batch, %v alone", got[i], want[i])
		}
	}
}

// cloned copies what a step reads: a tensor belongs to the first backend that saw it.
func cloned(t *testing.T, in fusion.Tensors) fusion.Tensors {
	t.Helper()
	clone := func(x *tensors.Tensor) *tensors.Tensor {
		if x == nil {
			return nil
		}
		c, err := x.LocalClone()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	out := fusion.Tensors{X: clone(in.X), Size: clone(in.Size), Learned: map[string]*tensors.Tensor{}}
	for name, weight := range in.Learned {
		out.Learned[name] = clone(weight)
	}
	return out
}

func stacked(a, b *tensors.Tensor) *tensors.Tensor {
	dims := slices.Clone(a.Shape().Dimensions)
	dims[0] = 2
	return tensors.FromFlatDataAndDimensions(append(tensors.MustCopyFlatData[float32](a), tensors.MustCopyFlatData[float32](b)...), dims...)
}

// TestLearnedShares: where all patches are the same vector c, a fused token is its total share times c:
// 1 where shares sum to 1 (of the norm of c, for PatchMerger), patches/centres for Sinkhorn's sums.
func TestLearnedShares(t *testing.T) {
	const tokens, dim = 13, 8
	c := []float32{3, -1, 0, 2, 0, 1, -4, 1} // of length sqrt(32)
	for name, want := range map[string]func(i int) float64{
		"sit":         func(i int) float64 { return float64(c[i]) },
		"patchmerger": func(i int) float64 { return (float64(c[i]) - 0.25) / math.Sqrt(32.0/8-0.0625+1e-5) },
		"sinkhorn":    func(i int) float64 { return float64(c[i]) / math.Sqrt(32) * 12 / 6 },
	} {
		for backendName, backend := range backends(t) {
			t.Run(backendName+"/"+name, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(8, 9))
				single, err := fusion.ParseSingle([]byte(fmt.Sprintf(`{"method":%q,"keep_rate":0.5}`, name)))
				if err != nil {
					t.Fatal(err)
				}
				x := tensors.FromFlatDataAndDimensions(slices.Repeat(c, tokens), 1, tokens, dim)
				learned := untrained(t, single, x, func() float32 { return float32(rng.NormFloat64()) })
				if name == "patchmerger" {
					learned["cluster_layers.0.norm.weight"] = tensors.FromValue(slices.Repeat([]float32{1}, dim))
					learned["cluster_layers.0.norm.bias"] = tensors.FromValue(make([]float32, dim))
				}
				out, err := single.Run(backend, fusion.Tensors{X: x, Learned: learned})
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range tensors.MustCopyFlatData[float32](out.X)[dim:] {
					if math.Abs(float64(v)-want(i%dim)) > 1e-5 {
						t.Errorf("component %d of fused token %d is %v, want %v", i%dim, 1+i/dim, v, want(i%dim))
					}
				}
			})
		}
	}
}

// TestLearnedSharesOfNought: where softmax leaves a patch no share that a float32 can hold, it counts in
// a fused patch all the same, not in the class token.
func TestLearnedSharesOfNought(t *testing.T) {
	for name, backend := range backends(t) {
		t.Run(name, func(t *testing.T) {
			x := tensors.FromFlatDataAndDimensions([]float32{1, 1, 5, -5, -5, 5, -5, 5}, 1, 4, 2)
			learned := map[string]*tensors.Tensor{
				"cluster_layers.0.queries":     tensors.FromFlatDataAndDimensions([]float32{1000, -1000}, 1, 2),
				"cluster_layers.0.norm.weight": tensors.FromValue([]float32{1, 1}),
				"cluster_layers.0.norm.bias":   tensors.FromValue([]float32{0, 0}),
			}
			out, err := fusion.Single{Method: fusion.PatchMerger{KeepRate: 0.5, Layers: []int{0}}, Protected: 1}.Run(backend, fusion.Tensors{X: x, Learned: learned})
			if err != nil {
				t.Fatal(err)
			}
			if got := tensors.MustCopyFlatData[float32](out.Source); !slices.Equal(got, []float32{1, 0, 0, 0, 0, 1, 1, 1}) {
				t.Errorf("source map %v", got)
			}
		})
	}
}
