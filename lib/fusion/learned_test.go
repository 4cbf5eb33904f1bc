package fusion_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
)

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
				out, err := step.Run(backend, cloned(t, fusion.Tensors{X: x, Learned: c.learned}))
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
