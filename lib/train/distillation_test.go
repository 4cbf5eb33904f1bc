package train

import (
	"math"
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// TestDistillationLosses: by hand, the class token gives its label 3/4, the distillation token gives the
// teacher's 1/4; smoothing is of the labels alone.
func TestDistillationLosses(t *testing.T) {
	ln3 := float32(math.Log(3))
	for name, backend := range backends(t) {
		exec := MustNewExec(backend, func(class, distilled, target, labels *Node) []*Node {
			a, b := Distillation{Alpha: 0.25}.losses(vit.Output{ClassLogits: class, DistillationLogits: distilled}, target, labels, 0.2)
			return []*Node{a, b}
		})
		out := exec.MustCall([][]float32{{ln3, 0}}, [][]float32{{ln3, 0}}, [][]float32{{1, 0}}, [][]int32{{1}})
		class := 0.75 * -(0.9*math.Log(0.75) + 0.1*math.Log(0.25)) // smoothed: 0.8 + 0.2/2 and 0.2/2
		distilled := 0.25 * -math.Log(0.25)
		if a, b := scalar(out[0]), scalar(out[1]); math.Abs(a-class) > 1e-6 || math.Abs(b-distilled) > 1e-6 {
			t.Errorf("%s: %v and %v, want %v and %v", name, a, b, class, distilled)
		}
	}
}

// TestImitated: the labels are the classes of the teacher's highest logits.
func TestImitated(t *testing.T) {
	m, err := vit.Load("vit_fmnist_patch4_28")
	if err != nil {
		t.Fatal(err)
	}
	teacher, err := m.WithBackend(backends(t)["Go"], fusion.None{})
	if err != nil {
		t.Fatal(err)
	}
	defer teacher.Close()
	pixels := make([]float32, 5*28*28)
	for i := range pixels {
		pixels[i] = float32(math.Sin(float64(i) * float64(1+i/784)))
	}
	images := tensors.FromFlatDataAndDimensions(pixels, 5, 1, 28, 28)
	labels, err := imitated(teacher, images)
	if err != nil {
		t.Fatal(err)
	}
	logits, err := teacher.Logits(images)
	if err != nil {
		t.Fatal(err)
	}
	for i, each := range slices.Collect(slices.Chunk(tensors.MustCopyFlatData[float32](logits), 10)) {
		if got := tensors.MustCopyFlatData[int32](labels)[i]; each[got] != slices.Max(each) {
			t.Errorf("image %d: class %d, whose logit is %v of %v", i, got, each[got], each)
		}
	}
}
