package fusion_test

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
	"tokenfuse/lib/weights"
)

type clusterManifest struct {
	Cases, Models []struct {
		Name         string
		Step, Fusion json.RawMessage
		XLA          bool // try it on XLA too, where compiling takes a second
	}
}

func readClusterManifest(t *testing.T) (manifest clusterManifest) {
	data, err := os.ReadFile("testdata/cluster.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	return manifest
}

// under returns the tensors of a case, by their names without the case.
func under(all map[string]*tensors.Tensor, name string) map[string]*tensors.Tensor {
	of := map[string]*tensors.Tensor{}
	for key, tensor := range all {
		if short, ok := strings.CutPrefix(key, name+"/"); ok {
			of[short] = tensor
		}
	}
	return of
}

// TestClusterGolden compares single steps with the official codes of ATC, K-Medoids and DPC-KNN: the
// same tokens together in the same order, fused tokens within 2e-5.
func TestClusterGolden(t *testing.T) {
	manifest := readClusterManifest(t)
	for name, backend := range backends(t) {
		// Read for each backend: tensors stay with the first that used them.
		file, err := weights.Read("testdata/cluster.safetensors")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range manifest.Cases {
			if name != "go" && !c.XLA {
				continue
			}
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				of := under(file.Tensors, c.Name)
				step, err := fusion.ParseSingle(c.Step)
				if err != nil {
					t.Fatal(err)
				}
				out, err := step.Run(backend, fusion.Tensors{X: of["x"], Attn: of["attn"], Metric: of["metric"], Size: of["size"], Learned: of})
				if err != nil {
					t.Fatal(err)
				}
				if d := distance(t, slots(out.Source), of["slot"]); d != 0 {
					t.Error("other tokens went together than in the official code")
				}
				if d := distance(t, out.X, of["out_x"]); d > 2e-5 {
					t.Errorf("out_x differs by %g, tolerance 2e-5", d)
				}
				if want, ok := of["out_size"]; ok && !out.Size.Equal(want) {
					t.Error("out_size differs")
				}
			})
		}
	}
}

// TestClusterModelGolden compares whole models with the official codes: which layers, how many clusters,
// by which attention; the same patches together at the end, logits within 1e-4 of the largest.
func TestClusterModelGolden(t *testing.T) {
	config := vit.Config{ImageSize: vit.ImageSize{Height: 48, Width: 48}, PatchSize: 8, Channels: 3,
		Dim: 24, Depth: 4, Heads: 3, MLPRatio: 2, Classes: 10}
	for name, backend := range backends(t) {
		for _, c := range readClusterManifest(t).Models {
			if name != "go" && !c.XLA {
				continue
			}
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				file, err := weights.Read("testdata/cluster-models.safetensors")
				if err != nil {
					t.Fatal(err)
				}
				of := under(file.Tensors, c.Name)
				maps.Copy(file.Tensors, of)
				model, _, err := vit.FromTensors(c.Name, config, file.Tensors)
				if err != nil {
					t.Fatal(err)
				}
				method, err := fusion.ParseJSON(c.Fusion)
				if err != nil {
					t.Fatal(err)
				}
				classifier, err := model.WithBackend(backend, method)
				if err != nil {
					t.Fatal(err)
				}
				defer classifier.Close()
				p, err := classifier.Trace(file.Tensors["input"])
				if err != nil {
					t.Fatal(err)
				}
				if d := distance(t, firstPatches(p.Source), of["group"]); d != 0 {
					t.Error("other patches went together than in the official code")
				}
				if d, largest := distance(t, p.Logits, of["logits"]), largest(of["logits"]); d > 1e-4*largest {
					t.Errorf("logits differ by %g of the largest", d/largest)
				}
			})
		}
	}
}

// firstPatches returns for each patch the first patch of its token, [batch, patches], of a source map
// [batch, last tokens, first tokens] whose first token is the class token.
func firstPatches(source *tensors.Tensor) *tensors.Tensor {
	d := source.Shape().Dimensions
	flat := tensors.MustCopyFlatData[float32](source)
	var first []float32
	for len(flat) > 0 {
		group := make([]float32, d[2])
		for row := range d[1] {
			members := flat[row*d[2] : (row+1)*d[2]]
			lead := float32(slices.Index(members, 1) - 1)
			for patch, v := range members {
				group[patch] += v * lead
			}
		}
		first = append(first, group[1:]...)
		flat = flat[d[1]*d[2]:]
	}
	return tensors.FromFlatDataAndDimensions(first, d[0], d[2]-1)
}

func largest(t *tensors.Tensor) (most float64) {
	for _, v := range tensors.MustCopyFlatData[float32](t) {
		most = max(most, math.Abs(float64(v)))
	}
	return most
}

// slots turns a source map [batch, fused, tokens] into the fused token of each token, [batch, tokens].
func slots(source *tensors.Tensor) *tensors.Tensor {
	d := source.Shape().Dimensions
	flat := tensors.MustCopyFlatData[float32](source)
	slot := make([]float32, d[0]*d[2])
	for i, v := range flat {
		slot[i/(d[1]*d[2])*d[2]+i%d[2]] += v * float32(i/d[2]%d[1])
	}
	return tensors.FromFlatDataAndDimensions(slot, d[0], d[2])
}
