package fusion_test

import (
	"encoding/json"
	"math"
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
