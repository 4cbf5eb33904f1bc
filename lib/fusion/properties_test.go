package fusion_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"pgregory.net/rapid"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
)

// setting is a single step on drawn tensors.
type setting struct {
	step                                 string // FUSION.json
	kind                                 fusion.Kind
	batch, tokens, protected, dim, heads int
	seed                                 uint64
	broken                               float64 // share of values that are no numbers, infinite or huge
	whole                                int     // the first images, in which none are
}

// stepsOf are the methods that decide without learned weights and without the image's grid, at a strength.
func stepsOf(r int, keepRate float64) (steps []string, kinds map[string]fusion.Kind) {
	kinds = map[string]fusion.Kind{}
	for _, step := range []string{`"mctf"`, `"mctf","bidirectional":false,"pooling":"size"`, `"mctf","tau":{"similarity":0},"pooling":"mean"`,
		`"mctf","pooling":"max","one_step_ahead":"off"`, `"tome"`, `"tofu"`, `"random-fusion"`, `"atc"`} {
		kinds[fmt.Sprintf(`"r":%d,"method":%s`, r, step)] = fusion.Fusing
	}
	for _, step := range []string{`"pitome","bipartite_layers":[]`, `"pitome","bipartite_layers":[0]`, `"kmedoids"`,
		`"kmedoids","equal_weight":true`, `"kmedoids","medoid_rule":"cluster"`, `"dpcknn","equal_weight":true`, `"evit"`} {
		kinds[fmt.Sprintf(`"keep_rate":%v,"method":%s`, keepRate, step)] = fusion.Fusing
	}
	for _, step := range []string{`"evit","fuse_inattentive":false`, `"topk"`, `"random-drop"`, `"ats"`, `"ats","order":"position"`} {
		kinds[fmt.Sprintf(`"keep_rate":%v,"method":%s`, keepRate, step)] = fusion.Choosing
	}
	kinds[`"method":"atm","alpha":0.7,"theta_min":0.1`] = fusion.Fusing
	return slices.Sorted(maps.Keys(kinds)), kinds
}

// single is the step of a setting.
func (s setting) single(t rapid.TB) fusion.Single {
	single, err := fusion.ParseSingle(fmt.Appendf(nil, `{%s,"protected":%d}`, s.step, s.protected))
	if err != nil {
		t.Fatal(err)
	}
	return single
}

// draw makes the tensors of images from..to of the batch: by the seed, each image on its own.
func (s setting) draw(from, to int) fusion.Tensors {
	var x, attn, metric, values, size []float32
	for b := from; b < to; b++ {
		rng := rand.New(rand.NewPCG(s.seed, uint64(b)))
		some := func(n int) (all []float32) {
			for range n {
				v := float32(rng.NormFloat64())
				if rng.Float64() < s.broken && b >= s.whole {
					v = []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 3e38, -3e38, 0}[rng.IntN(6)]
				}
				all = append(all, v)
			}
			return all
		}
		x, metric = append(x, some(s.tokens*s.dim)...), append(metric, some(s.tokens*s.dim)...)
		values = append(values, some(s.heads*s.tokens*s.dim)...)
		for range s.heads * s.tokens {
			row, total := some(s.tokens), float32(0)
			for i, v := range row {
				row[i] = float32(math.Exp(float64(v)))
				total += row[i]
			}
			for i := range row {
				row[i] /= total
			}
			attn = append(attn, row...)
		}
		for range s.tokens {
			size = append(size, float32(1+rng.IntN(4)))
		}
	}
	n := to - from
	return fusion.Tensors{
		X:      tensors.FromFlatDataAndDimensions(x, n, s.tokens, s.dim),
		Metric: tensors.FromFlatDataAndDimensions(metric, n, s.tokens, s.dim),
		Attn:   tensors.FromFlatDataAndDimensions(attn, n, s.heads, s.tokens, s.tokens),
		Values: tensors.FromFlatDataAndDimensions(values, n, s.heads, s.tokens, s.dim),
		Size:   tensors.FromFlatDataAndDimensions(size, n, s.tokens, 1),
	}
}

// run fuses images from..to, and checks what holds of every step.
func (s setting) run(t rapid.TB, backend compute.Backend, from, to int) *fusion.Tensors {
	in := s.draw(from, to)
	sizes := tensors.MustCopyFlatData[float32](in.Size)
	x := tensors.MustCopyFlatData[float32](in.X)
	out, err := s.single(t).Run(backend, in)
	if err != nil {
		t.Fatal(err)
	}
	left := out.X.Shape().Dimensions[1]
	source, after, fused := tensors.MustCopyFlatData[float32](out.Source), tensors.MustCopyFlatData[float32](out.Size), tensors.MustCopyFlatData[float32](out.X)
	for b := range to - from {
		sum := make([]float32, left) // of the sizes of each fused token's members
		for token := range s.tokens {
			var into []int
			for f := range left {
				switch v := source[(b*left+f)*s.tokens+token]; v {
				case 1:
					into = append(into, f)
					sum[f] += sizes[b*s.tokens+token]
				case 0:
				default:
					t.Fatalf("%s: the source map holds %v", backend.Name(), v)
				}
			}
			if len(into) > 1 || len(into) == 0 && s.kind == fusion.Fusing {
				t.Fatalf("%s: token %d of image %d is in fused tokens %v, %d left", backend.Name(), token, b, into, left)
			}
			if token < s.protected && (len(into) != 1 || into[0] != token) {
				t.Fatalf("%s: protected token %d of image %d is in fused tokens %v", backend.Name(), token, b, into)
			}
		}
		if !slices.Equal(sum, after[b*left:(b+1)*left]) {
			t.Fatalf("%s: sizes of image %d are %v, want %v", backend.Name(), b, after[b*left:(b+1)*left], sum)
		}
		for f := range min(s.protected, s.tokens) {
			if sum[f] != sizes[b*s.tokens+f] {
				t.Fatalf("%s: protected token %d of image %d has size %v, want %v", backend.Name(), f, b, sum[f], sizes[b*s.tokens+f])
			}
			got, want := fused[(b*left+f)*s.dim:][:s.dim], x[(b*s.tokens+f)*s.dim:][:s.dim]
			if s.broken == 0 && !slices.Equal(got, want) {
				t.Fatalf("%s: protected token %d of image %d became %v, want %v", backend.Name(), f, b, got, want)
			}
		}
	}
	return out
}

// TestProperties: whatever the method, the number of tokens, how many are protected, how much is asked
// for, and be the input full of NaN and infinity: sizes add up, each token is in exactly one fused token (of
// methods that choose, in at most one), protected tokens stand first, alone and unchanged, and what
// becomes of an image does not depend on the others of its batch.
func TestProperties(t *testing.T) {
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.OneOf(rapid.IntRange(0, 30), rapid.Just(math.MaxInt32)).Draw(t, "r")
		keepRate := rapid.SampledFrom([]float64{0.001, 0.25, 0.5, 0.7, 0.99, 1}).Draw(t, "keep_rate")
		steps, kinds := stepsOf(r, keepRate)
		s := setting{
			step:      rapid.SampledFrom(steps).Draw(t, "step"),
			batch:     2,
			tokens:    rapid.IntRange(1, 34).Draw(t, "tokens"),
			protected: rapid.IntRange(0, 5).Draw(t, "protected"),
			dim:       rapid.IntRange(1, 5).Draw(t, "dim"),
			heads:     rapid.IntRange(1, 3).Draw(t, "heads"),
			seed:      rapid.Uint64().Draw(t, "seed"),
			broken:    rapid.SampledFrom([]float64{0, 0, 0.02, 0.5, 1}).Draw(t, "broken"),
		}
		s.kind = kinds[s.step]
		if err := s.single(t).Check(s.draw(0, 1)); s.protected == 0 && err != nil && strings.Contains(err.Error(), "the class token, which this model does not have") {
			s.protected = 1
		}
		together, alone := s.run(t, backend, 0, s.batch), s.run(t, backend, s.batch-1, s.batch)
		all, one := tensors.MustCopyFlatData[float32](together.Source), tensors.MustCopyFlatData[float32](alone.Source)
		if !slices.Equal(all[len(all)-len(one):], one) {
			t.Fatal("the last image of a batch fuses in another way than alone")
		}
	})
}

// TestBackendsChooseAlike: both backends fuse the same tokens of an image, and of one beside it that is full of
// what is no number. (The other methods' choices are compared with references of theirs, on both.)
func TestBackendsChooseAlike(t *testing.T) {
	all := backends(t)
	steps, kinds := stepsOf(5, 0.5)
	for i, step := range steps {
		if !slices.ContainsFunc([]string{`"mctf"`, `"tome"`, `"kmedoids"`, `"evit"`, `"pitome","bipartite_layers":[]`, `"pitome","bipartite_layers":[0]`, `"atm","alpha":0.7,"theta_min":0.1`},
			func(method string) bool { return strings.HasSuffix(step, `"method":`+method) }) {
			continue
		}
		t.Run(step, func(t *testing.T) {
			s := setting{step: step, kind: kinds[step], batch: 2, tokens: 21, protected: 2, dim: 4, heads: 2, seed: uint64(i), broken: 0.1, whole: 1}
			s.checkAlike(t, all)
		})
	}
}

// TestBackendsAgree: whatever the method and the tensors, all backends fuse the same tokens. Shapes are two, since
// each is compiled.
func TestBackendsAgree(t *testing.T) {
	all := backends(t)
	rapid.Check(t, func(t *rapid.T) {
		steps, kinds := stepsOf(5, 0.7)
		s := setting{
			step:      rapid.SampledFrom(steps).Draw(t, "step"),
			batch:     2,
			tokens:    rapid.SampledFrom([]int{20, 21}).Draw(t, "tokens"),
			protected: 1,
			dim:       4,
			heads:     2,
			seed:      rapid.Uint64().Draw(t, "seed"),
		}
		s.kind = kinds[s.step]
		s.checkAlike(t, all)
	})
}

// checkAlike compares the source maps of all backends.
func (s setting) checkAlike(t rapid.TB, all map[string]compute.Backend) {
	var sources [][]float32
	for _, backend := range all {
		sources = append(sources, tensors.MustCopyFlatData[float32](s.run(t, backend, 0, s.batch).Source))
	}
	for _, other := range sources[1:] {
		if !slices.Equal(sources[0], other) {
			t.Fatalf("the backends fuse different tokens")
		}
	}
}
