package vit

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/weights"
)

// official is a small model of another code, with its weights, an input and what it made of it.
type official struct {
	File   string
	Config Config
}

func officials(t *testing.T) []official {
	t.Helper()
	data, err := os.ReadFile("testdata/models.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct{ Cases []official }
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	return manifest.Cases
}

func (o official) read(t *testing.T) (*Model, map[string]*tensors.Tensor) {
	t.Helper()
	file, err := weights.Read(filepath.Join("testdata", o.File))
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := FromTensors(o.File, o.Config, file.Tensors)
	if err != nil {
		t.Fatal(err)
	}
	return m, file.Tensors
}

// TestModels compares small models of each family with timm and the official codes of T2T-ViT and
// LV-ViT: logits, and on the Go backend gradients, within 1e-4 of the largest. (XLA takes long to
// compile gradients; TestBatchNormTraining has those of convolutions on it.)
func TestModels(t *testing.T) {
	for name, backend := range backends(t) {
		for _, o := range officials(t) {
			t.Run(name+"/"+o.File, func(t *testing.T) { o.check(t, backend, name == "Go") })
		}
	}
}

func (o official) check(t *testing.T, backend compute.Backend, gradients bool) {
	m, all := o.read(t)
	var learned []string // whose gradients are known
	for name := range all {
		if weight, ok := strings.CutPrefix(name, "gradient:"); ok && gradients {
			learned = append(learned, weight)
		}
	}
	slices.Sort(learned)
	exec, err := model.NewExec(backend, m.store, func(_ *model.Scope, images *Node) []*Node {
		out := Forward(m.store, m.Config, fusion.None{}, images)
		results := []*Node{out.Logits}
		if out.Dense != nil {
			results = append(results, out.Dense)
		}
		if len(learned) > 0 {
			results = append(results, m.gradients(ReduceAllSum(Square(out.Logits)), learned)...)
		}
		return results
	})
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Finalize()
	results, err := exec.Call(all["input"])
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"logits"}
	if _, ok := all["dense"]; ok {
		names = append(names, "dense")
	}
	for _, weight := range learned {
		names = append(names, "gradient:"+weight)
	}
	compare(t, names, results, all)
}

// gradients of a sum with respect to weights by name.
func (m *Model) gradients(sum *Node, names []string) []*Node {
	var values []*Node
	for _, name := range names {
		values = append(values, m.store.GetVariable(variablePath(name)).NodeValue(sum.Graph()))
	}
	return Gradient(sum, values...)
}

func compare(t *testing.T, names []string, results []*tensors.Tensor, all map[string]*tensors.Tensor) {
	t.Helper()
	if len(names) != len(results) {
		t.Fatalf("%d results for %v", len(results), names)
	}
	for i, name := range names {
		want, ok := all[name]
		if !ok {
			t.Fatalf("the file has no %s", name)
		}
		if !slices.Equal(results[i].Shape().Dimensions, want.Shape().Dimensions) {
			t.Errorf("%s is %v, want %v", name, results[i].Shape(), want.Shape())
			continue
		}
		d := relative(tensors.MustCopyFlatData[float32](results[i]), tensors.MustCopyFlatData[float32](want))
		t.Logf("%s differs by %.2g", name, d)
		if d > 1e-4 {
			t.Errorf("%s differs by %g of the largest", name, d)
		}
	}
}

// TestBatchNormTraining compares LV-ViT in training with the official code: by the statistics of the
// batch, with their gradients, and the running averages moved.
func TestBatchNormTraining(t *testing.T) {
	all := officials(t)
	lvvit := all[slices.IndexFunc(all, func(o official) bool { return o.Config.Stem == ConvolutionStem })]
	learned := []string{"patch_embed.bn1.weight", "patch_embed.conv1.weight"}
	for name, backend := range backends(t) {
		t.Run(name, func(t *testing.T) {
			m, file := lvvit.read(t)
			exec, err := model.NewExec(backend, m.store, func(_ *model.Scope, images *Node) []*Node {
				m.store.SetTraining(images.Graph(), true)
				out := Forward(m.store, m.Config, fusion.None{}, images)
				loss := Add(ReduceAllSum(Square(out.ClassLogits)), ReduceAllSum(Square(out.Dense)))
				return append([]*Node{out.ClassLogits, out.Dense}, m.gradients(loss, learned)...)
			})
			if err != nil {
				t.Fatal(err)
			}
			defer exec.Finalize()
			results, err := exec.Call(file["input"])
			if err != nil {
				t.Fatal(err)
			}
			names := []string{"train:class", "train:dense", "train:gradient:" + learned[0], "train:gradient:" + learned[1]}
			after, err := m.Weights()
			if err != nil {
				t.Fatal(err)
			}
			for _, weight := range slices.Sorted(maps.Keys(after)) {
				if isStatistic(weight) {
					names, results = append(names, "train:"+weight), append(results, after[weight])
				}
			}
			if len(names) != 10 {
				t.Errorf("compared %d tensors, want 4 and six running averages", len(names))
			}
			compare(t, names, results, file)
		})
	}
}
