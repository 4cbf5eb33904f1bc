package train

import (
	"math"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// TestClip: gradients of norm 5 (3, and 0, 4) come down to the limit in their direction, or stay.
func TestClip(t *testing.T) {
	for limit, want := range map[float64][]float32{1: {0.6, 0, 0.8}, 2.5: {1.5, 0, 2}, 5.1: {3, 0, 4}} {
		for name, backend := range backends(t) {
			exec := MustNewExec(backend, func(a, b *Node) []*Node { return clip([]*Node{a, b}, limit) })
			out := exec.MustCall([]float32{3}, []float32{0, 4})
			got := append(tensors.MustCopyFlatData[float32](out[0]), tensors.MustCopyFlatData[float32](out[1])...)
			for i := range want {
				if math.Abs(float64(got[i]-want[i])) > 1e-5 {
					t.Errorf("%s, limit %v: %v, want %v", name, limit, got, want)
				}
			}
		}
	}
}

// TestAverage: with a decay of 1/2 the average of a weight that grows by 1 a step is 0.5, 1.25, 2.125
// above where it began.
func TestAverage(t *testing.T) {
	m, err := vit.New(vit.Config{ImageSize: vit.ImageSize{Height: 8, Width: 8}, PatchSize: 4, Channels: 1, Dim: 4, Depth: 1, Heads: 1, MLPRatio: 1, Classes: 2}, 1)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newAverage(m, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	bias := m.Store().GetVariable("/head/bias")
	exec := model.MustNewExec(backends(t)["Go"], m.Store(), func(scope *model.Scope, x *Node) *Node {
		bias.SetNodeValue(AddScalar(bias.NodeValue(x.Graph()), 1))
		a.update(scope, x.Graph())
		return x
	})
	for _, want := range []float32{0.5, 1.25, 2.125} {
		exec.MustCall(float32(0))
		averaged, err := a.model(m, fusion.None{})
		if err != nil {
			t.Fatal(err)
		}
		all, err := averaged.Weights()
		if err != nil {
			t.Fatal(err)
		}
		if got := tensors.MustCopyFlatData[float32](all["head.bias"])[0]; got != want {
			t.Errorf("the average is %v, want %v", got, want)
		}
	}
}
