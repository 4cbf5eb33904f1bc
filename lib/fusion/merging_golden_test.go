package fusion_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
	"tokenfuse/lib/weights"
)

// TestMergingGolden compares single steps with the official code of PiToMe, and with its
// re-implementation of ToFu.
func TestMergingGolden(t *testing.T) {
	data, err := os.ReadFile("testdata/merging.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Cases []struct {
			File string
			Step json.RawMessage
		}
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	for name, backend := range backends(t) {
		for _, g := range manifest.Cases {
			t.Run(name+"/"+g.File, func(t *testing.T) { checkMerging(t, backend, g.File, g.Step) })
		}
	}
}

// TestMergingGoldenModels compares a whole model under PiToMe and ToFu with the patched official one: the
// same tokens fused, logits within 1e-5 of the largest.
func TestMergingGoldenModels(t *testing.T) {
	data, err := os.ReadFile("testdata/merging.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Models []struct {
			File   string
			Fusion json.RawMessage
		}
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	backend := backends(t)["go"] // XLA takes long to compile; single steps run on both
	file, err := weights.Read("../vit/testdata/vit-tiny-none.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := vit.FromTensors("vit-tiny", vit.Config{ImageSize: vit.ImageSize{Height: 64, Width: 64}, PatchSize: 8, Channels: 3,
		Dim: 48, Depth: 4, Heads: 3, MLPRatio: 4, Classes: 10}, file.Tensors)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range manifest.Models {
		t.Run(g.File, func(t *testing.T) {
			want, err := weights.Read(filepath.Join("testdata", g.File))
			if err != nil {
				t.Fatal(err)
			}
			method, err := fusion.ParseJSON(g.Fusion)
			if err != nil {
				t.Fatal(err)
			}
			classifier, err := m.WithBackend(backend, method)
			if err != nil {
				t.Fatal(err)
			}
			defer classifier.Close()
			got, err := classifier.Trace(file.Tensors["input"])
			if err != nil {
				t.Fatal(err)
			}
			if d := distance(t, got.Source, want.Tensors["source"]); d > 0 {
				t.Error("other tokens were fused: the source maps differ")
			}
			largest := distance(t, got.Logits, tensors.FromShape(got.Logits.Shape()))
			if d := distance(t, got.Logits, want.Tensors["logits"]); d > 1e-5*largest {
				t.Errorf("logits differ by %g, the largest is %g", d, largest)
			}
		})
	}
}

func checkMerging(t *testing.T, backend compute.Backend, name string, config []byte) {
	file, err := weights.Read(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	step, err := fusion.ParseSingle(config)
	if err != nil {
		t.Fatal(err)
	}
	in := file.Tensors
	out, err := step.Run(backend, fusion.Tensors{X: in["x"], Metric: in["metric"], Size: in["size"]})
	if err != nil {
		t.Fatal(err)
	}
	if d := distance(t, out.Source, in["out_source"]); d > 0 {
		t.Errorf("other tokens were fused: the source maps differ")
	}
	if d := distance(t, out.Size, in["out_size"]); d > 0 {
		t.Errorf("sizes differ by %g", d)
	}
	if want, ok := in["out_x"]; ok {
		if d := distance(t, out.X, want); d > 1e-6 {
			t.Errorf("tokens differ by %g", d)
		}
		return
	}
	compareDirections(t, in, out)
}

// compareDirections compares MLERP with the re-implementation's: tokens left alone are equal, fused ones
// point the same way, and ours are as long as the longest of the group, as in the paper.
func compareDirections(t *testing.T, in map[string]*tensors.Tensor, out *fusion.Tensors) {
	t.Helper()
	before, after, theirs := rows(in["x"]), rows(out.X), rows(in["mlerp_x"])
	groups := rows(out.Source)
	fused, longer := 0, 0
	for f := range after {
		image := f / (len(after) / in["x"].Shape().Dimensions[0])
		members, longest := 0, 0.0
		var member []float64
		for k, v := range groups[f] {
			if v == 1 {
				member = before[image*len(groups[f])+k]
				longest = max(longest, length(member))
				members++
			}
		}
		if members > 1 {
			fused++
		} else if !slices.Equal(after[f], member) {
			t.Fatalf("token %d, alone in its group, was changed", f)
		}
		ours := length(after[f])
		if d := math.Abs(ours - longest); d > 1e-5 {
			t.Errorf("fused token %d has length %v, the longest of its group %v", f, ours, longest)
		}
		scale := length(theirs[f])
		if math.Abs(scale-ours) > 1e-3 {
			longer++
		}
		for i, v := range after[f] {
			if d := math.Abs(v/ours - theirs[f][i]/scale); d > 1e-6 {
				t.Fatalf("token %d of %d points elsewhere, by %g", f, members, d)
			}
		}
	}
	if fused == 0 || longer != fused {
		t.Errorf("of %d fused tokens %d have another length than the re-implementation's, want all", fused, longer)
	}
}

// rows returns the last axis as slices.
func rows(x *tensors.Tensor) [][]float64 {
	dims := x.Shape().Dimensions
	width := dims[len(dims)-1]
	var all [][]float64
	for i, v := range tensors.MustCopyFlatData[float32](x) {
		if i%width == 0 {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], float64(v))
	}
	return all
}

func length(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum)
}
