package fusion_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/weights"
)

// learnedCase is one step of the official code of a method that learns weights.
type learnedCase struct {
	File      string
	Step      json.RawMessage
	Tolerance float64
}

func learnedCases(t *testing.T) []learnedCase {
	data, err := os.ReadFile("testdata/learned.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct{ Cases []learnedCase }
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	return manifest.Cases
}

func (c learnedCase) read(t *testing.T) (fusion.Single, fusion.Tensors, map[string]*tensors.Tensor) {
	file, err := weights.Read(filepath.Join("testdata", c.File))
	if err != nil {
		t.Fatal(err)
	}
	step, err := fusion.ParseSingle(c.Step)
	if err != nil {
		t.Fatal(err)
	}
	return step, fusion.Tensors{X: file.Tensors["x"], Learned: file.Tensors}, file.Tensors
}

// TestLearnedGolden compares single steps with the official codes of DynamicViT, SiT, PatchMerger and
// Sinkhorn: the fused tokens, which patch counts where, and the protected tokens to the last bit.
func TestLearnedGolden(t *testing.T) {
	for name, backend := range backends(t) {
		for _, c := range learnedCases(t) {
			t.Run(name+"/"+c.File, func(t *testing.T) {
				step, in, want := c.read(t)
				out, err := step.Run(backend, in)
				if err != nil {
					t.Fatal(err)
				}
				if d := distance(t, out.X, want["out_x"]); d > c.Tolerance {
					t.Errorf("x differs by %g, tolerance %g", d, c.Tolerance)
				}
				if d := distance(t, out.Source, want["out_source"]); d > 0 {
					t.Error("patches count elsewhere than in the official code")
				}
				untouched(t, step.Protected, in.X, out.X)
			})
		}
	}
}

func untouched(t *testing.T, protected int, x, out *tensors.Tensor) {
	t.Helper()
	d, before, after := x.Shape().Dimensions, tensors.MustCopyFlatData[float32](x), tensors.MustCopyFlatData[float32](out)
	fused := out.Shape().Dimensions[1]
	for b := range d[0] {
		if n := protected * d[2]; !slices.Equal(before[b*d[1]*d[2]:][:n], after[b*fused*d[2]:][:n]) {
			t.Errorf("the protected tokens of image %d were touched", b)
		}
	}
}

// TestLearnedGradient compares the gradients of the learned weights with those of the official codes:
// through soft shares they flow, through a choice (DynamicViT) they do not.
func TestLearnedGradient(t *testing.T) {
	for name, backend := range backends(t) {
		for _, c := range learnedCases(t) {
			if !strings.HasSuffix(c.File, "-step.safetensors") {
				continue // one case of each method: the graph is the same
			}
			t.Run(name+"/"+c.File, func(t *testing.T) {
				single, in, want := c.read(t)
				got := learnedGradients(t, backend, single, in)
				for weight, gradient := range got {
					official, soft := want["grad."+weight]
					if !soft {
						official = tensors.FromShape(gradient.Shape())
					}
					largest := 1.0
					for _, v := range tensors.MustCopyFlatData[float32](official) {
						largest = max(largest, math.Abs(float64(v)))
					}
					if d := distance(t, gradient, official); d > 1e-4*largest {
						t.Errorf("the gradient of %s differs by %g, the largest is %g", weight, d, largest)
					}
				}
			})
		}
	}
}

// learnedGradients returns the gradients of half the sum of squares over the fused patches.
func learnedGradients(t *testing.T, backend compute.Backend, single fusion.Single, in fusion.Tensors) map[string]*tensors.Tensor {
	d := in.X.Shape().Dimensions
	step, err := single.Method.Step(fusion.Layer{Depth: 1, Tokens: d[1], Protected: single.Protected, Dim: d[2], Heads: 1})
	if err != nil {
		t.Fatal(err)
	}
	inputs, index := []any{in.X}, map[string]int{}
	for i, w := range step.Learned {
		inputs, index[w.Name] = append(inputs, in.Learned[w.Name]), i+1
	}
	exec, err := NewExec(backend, func(nodes []*Node) []*Node {
		a := step.Assign(fusion.Evidence{X: nodes[0], Learned: func(name string, _ ...int) *Node { return nodes[index[name]] }})
		fused := Slice(a.Tokens(nodes[0]), AxisRange(), AxisRangeToEnd(single.Protected))
		return Gradient(MulScalar(ReduceAllSum(Square(fused)), 0.5), nodes[1:]...)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Finalize()
	all := map[string]*tensors.Tensor{}
	for i, gradient := range exec.MustCall(inputs...) {
		all[step.Learned[i].Name] = gradient
	}
	return all
}

// TestLearnedByHand: two or three patches, weights for which everything is worked out by hand.
func TestLearnedByHand(t *testing.T) {
	row := func(v ...float32) *tensors.Tensor { return tensors.FromFlatDataAndDimensions(v, len(v)) }
	matrix := func(rows int, v ...float32) *tensors.Tensor {
		return tensors.FromFlatDataAndDimensions(v, rows, len(v)/rows)
	}
	for name, c := range map[string]struct {
		step    string
		dim     int
		x       []float32 // of the class token and the patches
		learned map[string]*tensors.Tensor
		want    []float32
	}{
		// The layer norm of (4, 2) is (1, -1), of (1, 3) it is (-1, 1), but for its epsilon. The hidden
		// feature is their first component, and gelu(1) - gelu(-1) = 1: the scores differ by the weight
		// ln 3 times 1, times the scale 1: shares 3/4 and 1/4.
		"sit": {`{"method":"sit","keep_rate":0.5}`, 2, []float32{7, 8, 4, 2, 1, 3}, map[string]*tensors.Tensor{
			"tsm.0.scale":           tensors.FromFlatDataAndDimensions([]float32{1}, 1, 1, 1),
			"tsm.0.weight.0.weight": row(1, 1), "tsm.0.weight.0.bias": row(0, 0),
			"tsm.0.weight.1.weight": matrix(1, 1, 0), "tsm.0.weight.1.bias": row(0),
			"tsm.0.weight.3.weight": matrix(1, float32(math.Log(3))), "tsm.0.weight.3.bias": row(5),
		}, []float32{7, 8, 3.25, 2.25}},
		// The query (ln 3 / 2, 0) scores the norms (1, -1) and (-1, 1) with ±ln 3 / 2: shares 3/4 and 1/4
		// of the norms, not of the patches.
		"patchmerger": {`{"method":"patchmerger","keep_rate":0.5}`, 2, []float32{7, 8, 4, 2, 1, 3}, map[string]*tensors.Tensor{
			"cluster_layers.0.queries":     matrix(1, float32(math.Log(3)/2), 0),
			"cluster_layers.0.norm.weight": row(1, 1), "cluster_layers.0.norm.bias": row(0, 0),
		}, []float32{7, 8, 0.5, -0.5}},
		// One centre must take all of each patch, whatever the cosines: the sum of (0.6, 0.8) and (0, 1).
		"sinkhorn": {`{"method":"sinkhorn","keep_rate":0.5}`, 2, []float32{7, 8, 3, 4, 0, 2}, map[string]*tensors.Tensor{
			"cluster_layers.0.v": matrix(1, 3, -5),
		}, []float32{7, 8, 0.6, 1.8}},
		// The first of the two outputs, the one for keeping, grows with the first component of the norm:
		// 1.51, 1.73 and -0.58. The best two stay, the better one first.
		"dynamicvit": {`{"method":"dynamicvit","keep_rate":0.7}`, 4, []float32{7, 8, 9, 9, 2, 1, 0, 0, 4, 0, 0, 0, 0, 0, 0, 4}, map[string]*tensors.Tensor{
			"score_predictor.0.in_conv.0.weight": row(1, 1, 1, 1), "score_predictor.0.in_conv.0.bias": row(0, 0, 0, 0),
			"score_predictor.0.in_conv.1.weight":  matrix(4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
			"score_predictor.0.in_conv.1.bias":    row(0, 0, 0, 0),
			"score_predictor.0.out_conv.0.weight": matrix(2, 1, 0, 0, 0, 0, 0, 0, 0), "score_predictor.0.out_conv.0.bias": row(0, 0),
			"score_predictor.0.out_conv.2.weight": matrix(1, 1, 0), "score_predictor.0.out_conv.2.bias": row(0),
			"score_predictor.0.out_conv.4.weight": matrix(2, 1, 0), "score_predictor.0.out_conv.4.bias": row(0, 0),
		}, []float32{7, 8, 9, 9, 4, 0, 0, 0, 2, 1, 0, 0}},
	} {
		for backendName, backend := range backends(t) {
			t.Run(backendName+"/"+name, func(t *testing.T) {
				step, err := fusion.ParseSingle([]byte(c.step))
				if err != nil {
					t.Fatal(err)
				}
				x := tensors.FromFlatDataAndDimensions(c.x, 1, len(c.x)/c.dim, c.dim)
				out, err := step.Run(backend, fresh(t, fusion.Tensors{X: x, Learned: c.learned}))
				if err != nil {
					t.Fatal(err)
				}
				if d := distance(t, out.X, tensors.FromFlatDataAndDimensions(c.want, 1, len(c.want)/c.dim, c.dim)); d > 2e-5 {
					t.Errorf("%v, want %v", out.X, c.want)
				}
			})
		}
	}
}

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
					both := fusion.Tensors{X: join(one.X, two.X), Size: join(one.Size, two.Size), Learned: learned}
					together, err := single.Run(backend, fresh(t, both))
					if err != nil {
						t.Fatal(err)
					}
					accounted(t, s.tokens, s.protected, name == "dynamicvit", &both, together)
					outs = append(outs, together)
					if s.protected == 0 {
						continue // each run is a compilation
					}
					alone, err := single.Run(backend, fresh(t, fusion.Tensors{X: two.X, Size: two.Size, Learned: learned}))
					if err != nil {
						t.Fatal(err)
					}
					second(t, together.X, alone.X, 1e-5)
					second(t, together.Source, alone.Source, 0)
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

// accounted checks that each token counts once (or is dropped), protected tokens alone in their places.
func accounted(t *testing.T, tokens, protected int, drops bool, in, out *fusion.Tensors) {
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

// second checks the second image of a batch against the image alone.
func second(t *testing.T, batch, alone *tensors.Tensor, tolerance float64) {
	t.Helper()
	want := tensors.MustCopyFlatData[float32](alone)
	got := tensors.MustCopyFlatData[float32](batch)[len(want):]
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > tolerance {
			t.Fatalf("%v in a batch, %v alone", got[i], want[i])
		}
	}
}

// fresh copies what a step reads: a tensor belongs to the first backend that saw it.
func fresh(t *testing.T, in fusion.Tensors) fusion.Tensors {
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

func join(a, b *tensors.Tensor) *tensors.Tensor {
	dims := slices.Clone(a.Shape().Dimensions)
	dims[0] = 2
	return tensors.FromFlatDataAndDimensions(append(tensors.MustCopyFlatData[float32](a), tensors.MustCopyFlatData[float32](b)...), dims...)
}

// TestLearnedShares: where all patches are the same vector c, a fused token is its total share times c:
// 1 where shares sum to 1 (of the norm of c, for PatchMerger), patches/centres for Sinkhorn's sums. A
// patch with no share at all counts in some fused patch, never in the class token.
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

// TestLearnedStep: how many tokens are left, behind which layer, by which weights, at the papers' sizes.
func TestLearnedStep(t *testing.T) {
	type stage struct{ layer, tokens, left int }
	for name, c := range map[string]struct {
		spec          string
		protected     int
		depth, square int
		want          []stage
	}{
		"dynamicvit, published":     {"dynamicvit", 1, 12, 14, []stage{{3, 197, 138}, {6, 138, 97}, {9, 97, 68}}},
		"dynamicvit, distilled":     {"dynamicvit:keep_rate=0.5", 2, 12, 14, []stage{{3, 198, 100}, {6, 100, 51}, {9, 51, 26}}},
		"sit, published":            {"sit", 1, 12, 14, []stage{{3, 197, 99}, {6, 99, 50}, {9, 50, 25}}},
		"sit, LV-ViT-S":             {"sit:layers=9,12,14", 1, 16, 14, []stage{{9, 197, 99}, {12, 99, 50}, {14, 50, 25}}},
		"patchmerger, 8 once":       {"patchmerger:keep_rate=0.041,layers=6", 1, 12, 14, []stage{{6, 197, 9}}},
		"sinkhorn, 0.25":            {"sinkhorn:keep_rate=0.25", 1, 12, 14, []stage{{3, 197, 50}, {6, 50, 13}, {9, 13, 4}}},
		"a rate per layer":          {"sit:keep_rate=0.9,0.3,layers=2,5", 0, 12, 14, []stage{{2, 196, 176}, {5, 176, 58}}},
		"layers in any order":       {"dynamicvit:keep_rate=0.3,0.9,layers=5,2", 0, 12, 14, []stage{{2, 196, 176}, {5, 176, 58}}},
		"never fewer than one":      {"sinkhorn:keep_rate=0.1,layers=0-2", 1, 4, 4, []stage{{0, 17, 2}}},
		"a rate of 1 does nothing":  {"sit:keep_rate=1", 1, 12, 14, nil},
		"a rate of 0 leaves one":    {"dynamicvit:keep_rate=0,layers=2", 1, 12, 14, []stage{{2, 197, 2}}},
		"nothing but the protected": {"sit:layers=0", 1, 4, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			method, err := fusion.Parse(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			tokens, got := c.square*c.square+c.protected, []stage(nil)
			for l := range c.depth {
				step, err := method.Step(fusion.Layer{Index: l, Depth: c.depth, Tokens: tokens, Protected: c.protected, Dim: 384, Heads: 6, Rows: c.square, Cols: c.square})
				if err != nil {
					t.Fatal(err)
				}
				if step == nil {
					continue
				}
				if number := fmt.Sprintf(".%d.", len(got)); !strings.Contains(step.Learned[0].Name, number) {
					t.Errorf("weights of stage %d are called %s", len(got), step.Learned[0].Name)
				}
				got = append(got, stage{l, tokens, step.Remaining})
				tokens = step.Remaining
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// TestLearnedMatching: the cost of the learned modules of a DeiT-S at keep rate 0.5, as fvcore counts it
// on the official modules (196 patches of dim 384, 98 fused).
func TestLearnedMatching(t *testing.T) {
	for spec, want := range map[string]int{
		"dynamicvit:keep_rate=0.5": 47378688, "sit:keep_rate=0.5": 25890816,
		"patchmerger:keep_rate=0.5": 15128064, "sinkhorn:keep_rate=0.5": 14751744,
	} {
		t.Run(spec, func(t *testing.T) {
			method, err := fusion.Parse(spec)
			if err != nil {
				t.Fatal(err)
			}
			step, err := method.Step(fusion.Layer{Index: 3, Depth: 12, Tokens: 197, Protected: 1, Dim: 384, Heads: 6, Rows: 14, Cols: 14})
			if err != nil {
				t.Fatal(err)
			}
			if step.Matching != want {
				t.Errorf("%d multiply-accumulates, want %d", step.Matching, want)
			}
		})
	}
}

// TestLearnedAdjusted: the knob reaches from nothing to the most, as one rate for all layers.
func TestLearnedAdjusted(t *testing.T) {
	for _, spec := range []string{"dynamicvit:keep_rate=0.5,0.3,layers=0,1", "sit:layers=0", "patchmerger:layers=0", "sinkhorn:layers=0,iterations=5"} {
		t.Run(spec, func(t *testing.T) {
			method, err := fusion.Parse(spec)
			if err != nil {
				t.Fatal(err)
			}
			m := method.(fusion.Adjustable)
			at := fusion.Layer{Depth: 4, Tokens: 17, Protected: 1, Dim: 8, Heads: 2, Rows: 4, Cols: 4}
			for value, want := range map[float64]int{m.Knob().None: 17, 0.5: 9, m.Knob().Most: 2} {
				left := at.Tokens
				step, err := m.Adjusted(value).Step(at)
				if err != nil {
					t.Fatal(err)
				}
				if step != nil {
					left = step.Remaining
				}
				if left != want {
					t.Errorf("at %v %d tokens are left, want %d", value, left, want)
				}
			}
			if text, _ := json.Marshal(m.Adjusted(0.25)); !strings.Contains(string(text), `"keep_rate":0.25`) {
				t.Errorf("%s", text)
			}
		})
	}
}

func TestLearnedErrors(t *testing.T) {
	x := tensors.FromFlatDataAndDimensions(make([]float32, 5*3), 1, 5, 3)
	run := func(step string, learned map[string]*tensors.Tensor) error {
		single, err := fusion.ParseSingle([]byte(step))
		if err != nil {
			return err
		}
		return single.Check(fusion.Tensors{X: x, Learned: learned})
	}
	for name, c := range map[string]struct {
		step, want string
		learned    map[string]*tensors.Tensor
	}{
		"dim cannot be halved": {`{"method":"dynamicvit"}`, "dim of tokens twice, and this model's is 3", nil},
		"a weight is missing":  {`{"method":"sit"}`, "sit reads the learned weight tsm.0.scale [1 1 1], which is missing", nil},
		"another shape": {`{"method":"sinkhorn","keep_rate":0.5}`, "cluster_layers.0.v is (Float32)[3, 3], x asks for float32 [2 3]",
			map[string]*tensors.Tensor{"cluster_layers.0.v": tensors.FromFlatDataAndDimensions(make([]float32, 9), 3, 3)}},
		"rate":           {`{"method":"patchmerger","keep_rate":1.5}`, "keep_rate is 1.5, want 0 to 1", nil},
		"no eps":         {`{"method":"sinkhorn","eps":0}`, "eps is 0 and iterations is 3, want both above 0", nil},
		"eps":            {`{"method":"sinkhorn","eps":-1}`, "eps is -1, want 0.001 to 1000", nil},
		"iterations":     {`{"method":"sinkhorn","iterations":-2}`, "iterations is -2, want 1 to 1000", nil},
		"half iteration": {`{"method":"sinkhorn","iterations":2.5}`, "iterations is a number 2.5, want a whole number", nil},
		"unknown field":  {`{"method":"sit","r":4}`, `unknown field "r": known are method, keep_rate, layers`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(c.step, c.learned)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v does not say %q in one line", err, c.want)
			}
		})
	}
}
