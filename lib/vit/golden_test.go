package vit

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/weights"
)

// backends returns the pure Go backend, and XLA where `go run ./kernel setup` installed it.
func backends(t testing.TB) map[string]compute.Backend {
	all := map[string]compute.Backend{}
	for _, config := range []string{"go", accel.Choice()} {
		backend, err := accel.New(config)
		if err != nil {
			t.Fatal(err)
		}
		all[accel.Name(backend)] = backend
	}
	return all
}

type golden struct {
	File   string
	Kind   string
	Config struct {
		Image             []int
		Patch             int
		Dim               int
		Depth             int
		Heads             int
		Classes           int
		Batch             int
		R                 float64
		UseMCTF           bool      `json:"use_mctf"`
		ActivateLayers    []int     `json:"activate_layers"`
		OneStepAhead      int       `json:"one_step_ahead"`
		Bidirection       int       `json:"bidirection"`
		PoolingType       int       `json:"pooling_type"`
		PropAttn          any       `json:"prop_attn"`
		TauSim            float64   `json:"tau_sim"`
		TauInfo           float64   `json:"tau_info"`
		TauSize           float64   `json:"tau_size"`
		KeepRatePerBlock  []float64 `json:"keep_rate_per_block"`
		FuseToken         bool      `json:"fuse_token"`
		VisionTransformer string    `json:"timm_class"`
	}
}

func (g golden) config() Config {
	c := g.Config
	return Config{ImageSize: ImageSize{c.Image[0], c.Image[1]}, PatchSize: c.Patch, Channels: 3, Dim: c.Dim, Depth: c.Depth,
		Heads: c.Heads, MLPRatio: 4, Classes: c.Classes, Distilled: c.VisionTransformer == "VisionTransformerDistilled"}
}

// fusion is the case as FUSION.json.
func (g golden) fusion() string {
	c := g.Config
	list := func(v any) string { data, _ := json.Marshal(v); return string(data) }
	switch {
	case g.Kind == "tome-vit":
		return fmt.Sprintf(`{"method":"tome","r":%v,"proportional_attention":%v}`, c.R, c.PropAttn)
	case g.Kind == "evit-vit":
		var layers []int
		var rates []float64
		for i, rate := range c.KeepRatePerBlock {
			if rate < 1 {
				layers, rates = append(layers, i), append(rates, rate)
			}
		}
		return fmt.Sprintf(`{"method":"evit","keep_rate":%s,"layers":%s,"fuse_inattentive":%t}`, list(rates), list(layers), c.FuseToken)
	case c.UseMCTF:
		return fmt.Sprintf(`{"method":"mctf","r":%v,"layers":%s,"tau":{"similarity":%v,"informativeness":%v,"size":%v},"bidirectional":%t,"pooling":%q,"one_step_ahead":%q,"proportional_attention":%t}`,
			c.R, list(c.ActivateLayers), c.TauSim, c.TauInfo, c.TauSize, c.Bidirection == 1,
			[]string{"size", "attention", "max", "mean"}[c.PoolingType],
			[]string{"off", "approximate", "precise"}[c.OneStepAhead], c.PropAttn == 1.0)
	}
	return `{"method":"none"}`
}

// TestGolden compares whole models with the official codes of MCTF, ToMe, EViT and with timm: the same
// tokens fused, logits within 1e-4 of the largest.
func TestGolden(t *testing.T) {
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct{ Cases []golden }
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	for name, backend := range backends(t) {
		for _, g := range manifest.Cases {
			t.Run(name+"/"+g.File, func(t *testing.T) { check(t, backend, g) })
		}
	}
}

func check(t *testing.T, backend compute.Backend, g golden) {
	file, err := weights.Read(filepath.Join("testdata", g.File))
	if err != nil {
		t.Fatal(err)
	}
	m, unexpected, err := FromTensors(g.File, g.config(), file.Tensors)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(unexpected, "input") {
		t.Errorf("unexpected tensors %v should name input", unexpected)
	}
	method, err := fusion.ParseJSON([]byte(g.fusion()))
	if err != nil {
		t.Fatal(err)
	}
	classifier, err := m.WithBackend(backend, method)
	if err != nil {
		t.Fatal(err)
	}
	p, err := classifier.Trace(file.Tensors["input"])
	if err != nil {
		t.Fatal(err)
	}
	want := tensors.MustCopyFlatData[float32](file.Tensors["logits"])
	got := tensors.MustCopyFlatData[float32](p.Logits)
	if d := relative(got, want); d > 1e-4 {
		t.Errorf("logits differ by %g of the largest", d)
	}
	for name, tensor := range map[string]*tensors.Tensor{"source_final": p.Source, "size_final": p.Size} {
		if want, ok := file.Tensors[name]; ok && !tensor.Equal(want) {
			t.Errorf("%s is not the official one", name)
		}
	}
	if leaving := classifier.Tokens[len(classifier.Tokens)-1]; p.Size.Shape().Dimensions[1] != leaving {
		t.Errorf("%d tokens leave, promised %d", p.Size.Shape().Dimensions[1], leaving)
	}
}

// relative is the largest absolute difference over the largest absolute value.
func relative(got, want []float32) float64 {
	var difference, largest float64
	for i := range want {
		difference = max(difference, math.Abs(float64(got[i])-float64(want[i])))
		largest = max(largest, math.Abs(float64(want[i])))
	}
	if len(got) != len(want) || math.IsNaN(difference) {
		return math.Inf(1)
	}
	return difference / largest
}
