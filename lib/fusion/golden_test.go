package fusion_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
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
		name, _, _ := strings.Cut(config, ":")
		all[name] = backend
	}
	return all
}

type golden struct {
	File   string
	Kind   string
	Config struct {
		R            float64
		NumProtected int     `json:"num_protected"`
		TauSim       float64 `json:"tau_sim"`
		TauInfo      float64 `json:"tau_info"`
		TauSize      float64 `json:"tau_size"`
		Bidirection  int
		PoolingType  int  `json:"pooling_type"`
		OneStepAhead int  `json:"one_step_ahead"`
		ClassToken   bool `json:"class_token"`
		DistillToken bool `json:"distill_token"`
	}
}

// step is the case as STEP.json.
func (g golden) step() string {
	c := g.Config
	if g.Kind == "tome-step" {
		protected := 0
		if c.ClassToken {
			protected++
		}
		if c.DistillToken {
			protected++
		}
		return fmt.Sprintf(`{"method":"tome","r":%v,"protected":%d}`, c.R, protected)
	}
	return fmt.Sprintf(`{"method":"mctf","r":%v,"tau":{"similarity":%v,"informativeness":%v,"size":%v},"bidirectional":%t,"pooling":%q,"one_step_ahead":%q,"protected":%d,"protected_rule":"rows"}`,
		c.R, c.TauSim, c.TauInfo, c.TauSize, c.Bidirection == 1,
		[]string{"size", "attention", "max", "mean"}[c.PoolingType],
		[]string{"off", "approximate", "precise"}[c.OneStepAhead], c.NumProtected)
}

// TestGolden compares single steps with the official codes of MCTF and ToMe.
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
	step, err := fusion.ParseSingle([]byte(g.step()))
	if err != nil {
		t.Fatal(err)
	}
	in := file.Tensors
	out, err := step.Run(backend, fusion.Tensors{X: in["x"], Attn: in["attn"], Metric: in["metric"], Size: in["size"]})
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string]struct {
		got       *tensors.Tensor
		tolerance float64
	}{
		"out_x": {out.X, 2e-5}, "out_attn": {out.Attn, 2e-6}, "out_size": {out.Size, 1e-5}, "out_source": {out.Source, 0},
	} {
		want, ok := in[name]
		if !ok {
			if name == "out_attn" && pair.got != nil && g.Config.OneStepAhead == 0 {
				t.Errorf("an attention map came out of a step that is not ahead")
			}
			continue
		}
		if pair.got == nil {
			t.Fatalf("%s: missing", name)
		}
		if d := distance(t, pair.got, want); d > pair.tolerance {
			t.Errorf("%s differs by %g, tolerance %g", name, d, pair.tolerance)
		}
	}
}

// distance is the largest absolute difference; infinite where shapes differ.
func distance(t *testing.T, got, want *tensors.Tensor) float64 {
	t.Helper()
	if !got.Shape().Equal(want.Shape()) {
		t.Errorf("shape %s, want %s", got.Shape(), want.Shape())
		return math.Inf(1)
	}
	a, b := tensors.MustCopyFlatData[float32](got), tensors.MustCopyFlatData[float32](want)
	largest := 0.0
	for i := range a {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if math.IsNaN(d) {
			d = math.Inf(1)
		}
		largest = max(largest, d)
	}
	return largest
}
