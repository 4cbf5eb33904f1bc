package vit

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
)

// everyModel has one small model of each kind, of 16 patches: room for fusion above the floor of ten.
func everyModel() map[string]Config {
	average := tiny(false)
	average.Pooling = AveragePooling
	patches := average
	patches.NoClassToken = true
	t2t := Config{ImageSize: ImageSize{64, 64}, PatchSize: 16, Channels: 2, Dim: 12, Depth: 3, Heads: 3, MLPRatio: 2, Classes: 5,
		Stem: T2TPerformerStem, StemDim: 4, NoQKVBias: true, NormEpsilon: 1e-5}
	transformer := t2t
	transformer.Stem = T2TTransformerStem
	lvvit := tiny(false)
	lvvit.Stem, lvvit.StemDim, lvvit.ResidualScale, lvvit.TokenLabels = ConvolutionStem, 4, 2, true
	return map[string]Config{"deit": tiny(false), "deit distilled": tiny(true), "average": average, "no class token": patches,
		"t2t performer": t2t, "t2t transformer": transformer, "lvvit": lvvit}
}

// schedules are three settings of a method, from few tokens removed to many, in the last two layers
// of a small model.
func schedules(t *testing.T, d fusion.Description) []fusion.Method {
	t.Helper()
	var all []fusion.Method
	for i, share := range []float64{0.1, 0.3, 0.5} {
		fields := map[string]any{}
		if err := json.Unmarshal([]byte(d.Defaults), &fields); err != nil {
			t.Fatal(err)
		}
		for field := range fields { // prune_layers and their like too: published for deep models
			if strings.HasSuffix(field, "layers") {
				fields[field] = []int{1}
			}
		}
		if fields["layers"] != nil {
			fields["layers"] = []int{1, 2}
		}
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		method, err := fusion.ParseJSON(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		switch m := method.(type) {
		case fusion.Adjustable:
			value := 1 - share
			if m.Knob().Whole {
				value = float64(1 + 2*i)
			}
			method = m.Adjusted(value)
		case fusion.ATM: // no knob: from a threshold that few pairs meet to one that most do
			m.Alpha, m.Beta, m.ThetaMin = []float64{0.999, 0.9, 0.1}[i], 0, -1
			method = m
		}
		all = append(all, method)
	}
	return all
}

// TestEveryMethodInEveryModel runs each method forward and backward in each kind of model, at three
// schedules: tokens as promised, fewer under the last schedule than under the first, finite logits, a
// finite gradient for every weight, those of the method included, and above 0 for most. A model that lacks
// what a method needs is refused in one line.
func TestEveryMethodInEveryModel(t *testing.T) {
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	for name, config := range everyModel() {
		for _, d := range fusion.Methods() {
			reduced := false
			var left [3]float32 // tokens of all blocks together
			for i, method := range schedules(t, d) {
				t.Run(fmt.Sprintf("%s/%s/%d", name, d.Name, i), func(t *testing.T) {
					learned, err := Learned(config, method)
					if err != nil {
						if config.Protected() > 0 || !strings.Contains(err.Error(), "class token") {
							t.Fatal(err)
						}
						reduced = true // there is nothing to reduce by
						return
					}
					m, err := New(config, 3)
					if err != nil {
						t.Fatal(err)
					}
					if err := m.Learn(method, 3); err != nil {
						t.Fatal(err)
					}
					exec, err := model.NewExec(backend, m.store, func(scope *model.Scope, images *Node) []*Node {
						out := Forward(m.store, config, method, images)
						results := []*Node{out.Logits, out.Counts}
						for _, g := range scope.BuildTrainableVariablesGradientsGraph(ReduceAllSum(Square(out.Logits))) {
							results = append(results, ReduceAllSum(Square(g)))
						}
						return results
					})
					if err != nil {
						t.Fatal(err)
					}
					defer exec.Finalize()
					results, err := exec.Call(randomImages(config, 2))
					if err != nil {
						t.Fatal(err)
					}
					for k, result := range results {
						for _, v := range tensors.MustCopyFlatData[float32](result) {
							if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
								t.Fatalf("result %d holds %v", k, v)
							}
						}
					}
					weights := len(learned)
					for name := range config.Parameters() {
						if !config.fixed(name) {
							weights++
						}
					}
					if got := len(results) - 2; got != weights {
						t.Errorf("%d gradients for %d weights", got, weights)
					}
					above := 0
					for _, g := range results[2:] {
						if tensors.MustCopyFlatData[float32](g)[0] > 0 {
							above++
						}
					}
					if without := len(results) - 2 - above; without > len(learned) { // choices pass no gradient on to predictors
						t.Errorf("%d of %d gradients are 0", without, len(results)-2)
					}
					for _, n := range tensors.MustCopyFlatData[float32](results[1]) {
						left[i] += n
						reduced = reduced || int(n) < config.Tokens()
					}
				})
			}
			if d.Kind != fusion.Base && left[0] > 0 && left[2] >= left[0] {
				t.Errorf("%s leaves %v tokens of %s: the schedules are one", d.Name, left, name)
			}
			if !reduced && d.Kind != fusion.Base {
				t.Errorf("%s never removed a token from %s", d.Name, name)
			}
		}
	}
}
