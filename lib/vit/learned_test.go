package vit

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/weights"
)

// TestLearnedGolden compares whole models with the official codes of the methods that learn weights:
// the weights come from the model's own file, the same tokens are left, each patch counts where it does
// there, and so do the logits.
func TestLearnedGolden(t *testing.T) {
	data, err := os.ReadFile("testdata/learned.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Cases []struct {
			File           string
			Config, Fusion json.RawMessage
			Tokens         []int
			Tolerance      float64
		}
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	for name, backend := range backends(t) {
		for _, c := range manifest.Cases {
			t.Run(name+"/"+c.File, func(t *testing.T) {
				file, err := weights.Read(filepath.Join("testdata", c.File))
				if err != nil {
					t.Fatal(err)
				}
				config, err := ParseConfig(c.Config)
				if err != nil {
					t.Fatal(err)
				}
				method, err := fusion.ParseJSON(c.Fusion)
				if err != nil {
					t.Fatal(err)
				}
				m, _, err := FromTensors(c.File, config, file.Tensors)
				if err != nil {
					t.Fatal(err)
				}
				classifier, err := m.WithBackend(backend, method)
				if err != nil {
					t.Fatal(err)
				}
				defer classifier.Close()
				if !slices.Equal(classifier.Tokens, c.Tokens) {
					t.Errorf("tokens %v leave the blocks, want %v", classifier.Tokens, c.Tokens)
				}
				p, err := classifier.Trace(file.Tensors["input"])
				if err != nil {
					t.Fatal(err)
				}
				got, want := tensors.MustCopyFlatData[float32](p.Logits), tensors.MustCopyFlatData[float32](file.Tensors["logits"])
				if d := relative(got, want); d > c.Tolerance {
					t.Errorf("logits differ by %g of the largest", d)
				}
				if !p.Source.Equal(file.Tensors["source_final"]) {
					t.Error("patches count elsewhere than in the official code")
				}
			})
		}
	}
}

// TestLearnStart: what a training starts from is drawn as each weight asks for.
func TestLearnStart(t *testing.T) {
	config := Config{ImageSize: ImageSize{16, 16}, PatchSize: 2, Channels: 1, Dim: 32, Depth: 2, Heads: 2, MLPRatio: 2, Classes: 2}
	for spec, want := range map[string]map[string]float64{ // the mean of squares
		"sit:layers=1":         {"tsm.0.scale": 1, "tsm.0.weight.0.weight": 1, "tsm.0.weight.0.bias": 0, "tsm.0.weight.1.weight": 1.0 / 32 / 3},
		"patchmerger:layers=1": {"cluster_layers.0.queries": 1, "cluster_layers.0.norm.weight": 1},
		"dynamicvit:layers=1":  {"score_predictor.0.in_conv.0.weight": 1, "score_predictor.0.out_conv.0.weight": 1.0 / 32 / 3},
	} {
		m, err := New(config, 1)
		if err != nil {
			t.Fatal(err)
		}
		method, err := fusion.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Learn(method, 1); err != nil {
			t.Fatal(err)
		}
		all, err := m.Weights()
		if err != nil {
			t.Fatal(err)
		}
		for name, squares := range want {
			got := 0.0
			data := tensors.MustCopyFlatData[float32](all[name])
			for _, v := range data {
				got += float64(v) * float64(v) / float64(len(data))
			}
			if math.Abs(got-squares) > 0.1*squares {
				t.Errorf("%s: the mean of squares of %s is %g, want about %g", strings.Split(spec, ":")[0], name, got, squares)
			}
		}
	}
}
