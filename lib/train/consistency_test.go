package train

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

func backends(t *testing.T) map[string]compute.Backend {
	t.Helper()
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

// TestConsistencyLoss checks loss and gradients against values worked out by hand.
func TestConsistencyLoss(t *testing.T) {
	ln3 := float32(math.Log(3))
	for _, test := range []struct {
		name                             string
		threshold                        float64
		teacher, student, logits, target [][]float32
		loss                             float32
		gradient                         [][]float32 // of the student's class token
	}{
		{
			// Probabilities of the labels 1/2, 1/4, 3/4; means of squares 5/2, 25, 2, of which the first
			// and the last count: 3 * (5/2 + 2) / 2. Gradient 3 * 2 (s - t) / dim / 2.
			"two of three are confident", 0.4,
			[][]float32{{1, 2}, {0, 0}, {3, 1}}, [][]float32{{0, 0}, {5, 5}, {1, 1}},
			[][]float32{{0, 0}, {0, ln3}, {0, ln3}}, [][]float32{{1, 0}, {1, 0}, {0, 1}},
			6.75, [][]float32{{-1.5, -3}, {0, 0}, {-3, 0}},
		},
		{"none is confident", 0.4, [][]float32{{1, 2}}, [][]float32{{0, 0}}, [][]float32{{0, ln3}}, [][]float32{{1, 0}},
			0, [][]float32{{0, 0}}},
		{"at the threshold is not above it", 0.5, [][]float32{{1, 2}}, [][]float32{{0, 0}}, [][]float32{{0, 0}}, [][]float32{{1, 0}},
			0, [][]float32{{0, 0}}},
		{
			// Each label has 1/3, both together 2/3.
			"mixed labels add up", 0.4, [][]float32{{1, 2}}, [][]float32{{0, 0}}, [][]float32{{0, 0, 0}}, [][]float32{{0.7, 0.3, 0}},
			7.5, [][]float32{{-3, -6}},
		},
	} {
		for name, backend := range backends(t) {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				c := Consistency{Threshold: test.threshold, Weight: 3}
				exec := MustNewExec(backend, func(in []*Node) []*Node {
					loss := c.loss(in[0], in[1], in[2], in[3])
					return append([]*Node{loss}, Gradient(loss, in[0], in[1], in[2])...)
				})
				out := exec.MustCall(test.teacher, test.student, test.logits, test.target)
				if got := tensors.MustCopyFlatData[float32](out[0])[0]; math.Abs(float64(got-test.loss)) > 1e-5 {
					t.Errorf("loss %v, want %v", got, test.loss)
				}
				if !out[2].InDelta(tensors.FromValue(test.gradient), 1e-5) {
					t.Errorf("gradient of the student is %v, want %v", out[2].Value(), test.gradient)
				}
				for i, of := range map[int]string{1: "teacher", 3: "logits"} {
					if slices.ContainsFunc(tensors.MustCopyFlatData[float32](out[i]), func(v float32) bool { return v != 0 }) {
						t.Errorf("a gradient flows to the %s: %v", of, out[i].Value())
					}
				}
			})
		}
	}
}

func TestConsistencyChoices(t *testing.T) {
	for _, test := range []struct {
		c    Consistency
		want []float64
	}{
		{Consistency{RTeacherMax: 8}, []float64{0, 1, 2, 3, 4, 5, 6, 7}},
		{Consistency{RTeacherMax: 1}, []float64{0}},
		{Consistency{RTeacherMax: 0.04}, []float64{0, 0.01, 0.02, 0.03}},
		{Consistency{RTeacherMax: 0.005}, []float64{0}},
		{Consistency{RTeacher: []float64{0, 4}}, []float64{0, 4}},
	} {
		if got := test.c.choices(); !slices.Equal(got, test.want) {
			t.Errorf("%+v: %v, want %v", test.c, got, test.want)
		}
	}
	c, counts := Consistency{RTeacherMax: 8}, map[float64]int{}
	for step := range 8000 {
		r := c.draw(1, step)
		counts[r]++
		if r != c.draw(1, step) {
			t.Fatal("a step draws otherwise a second time")
		}
	}
	for r := range 8 {
		if n := counts[float64(r)]; n < 850 || n > 1150 { // five deviations of a binomial
			t.Errorf("r'=%d was drawn %d times of 8000, want about 1000", r, n)
		}
	}
}

func TestConsistencyTeacher(t *testing.T) {
	config := vit.Config{ImageSize: vit.ImageSize{Height: 16, Width: 16}, PatchSize: 4, Channels: 1, Dim: 12, Depth: 4, Heads: 3, MLPRatio: 2, Classes: 4}
	half := []int{1, 2}
	for _, test := range []struct {
		student fusion.Method
		r       float64
		tokens  []int  // leaving each block
		refused string // part of the error
	}{
		{fusion.MCTF{R: 4}, 0, []int{17, 17, 17, 17}, ""},
		{fusion.MCTF{R: 4}, 2, []int{17, 15, 13, 11}, ""},
		{fusion.MCTF{R: 0.35, Layers: half}, 0.25, []int{17, 13, 10, 10}, ""},
		{fusion.EViT{KeepRate: 0.5, Layers: half}, 0.25, []int{17, 14, 12, 12}, ""}, // 12 of 16, and one of the rest
		{fusion.ATM{}, 0.5, nil, "atm has no one number"},
		{fusion.PatchMerger{KeepRate: 0.5, Layers: half}, 0.25, nil, "cannot share"},
	} {
		teacher, err := Consistency{}.teacher(config, test.student, test.r)
		if test.refused != "" {
			if err == nil || !strings.Contains(err.Error(), test.refused) {
				t.Errorf("%s at %v: %v does not say %q", test.student.Name(), test.r, err, test.refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s at %v: %v", test.student.Name(), test.r, err)
			continue
		}
		if _, tokens, err := vit.Plan(config, teacher); err != nil || !slices.Equal(tokens, test.tokens) {
			t.Errorf("%s at %v leaves %v tokens, %v, want %v", test.student.Name(), test.r, tokens, err, test.tokens)
		}
	}
}

// TestConsistencyObjective: a teacher that is the student says the same, so that its part is the
// student's and the consistency 0; of another one the parts are those of its own pass.
func TestConsistencyObjective(t *testing.T) {
	config := vit.Config{ImageSize: vit.ImageSize{Height: 16, Width: 16}, PatchSize: 4, Channels: 1, Dim: 12, Depth: 3, Heads: 3, MLPRatio: 2, Classes: 4}
	m, err := vit.New(config, 1)
	if err != nil {
		t.Fatal(err)
	}
	images := make([][][][]float32, 3)
	for i := range images {
		images[i] = [][][]float32{make([][]float32, 16)}
		for y := range 16 {
			images[i][0][y] = make([]float32, 16)
			for x := range 16 {
				images[i][0][y][x] = float32(math.Sin(float64(i*251 + y*16 + x*x)))
			}
		}
	}
	student := fusion.MCTF{R: 4}
	o := objective{Recipe: Recipe{LabelSmoothing: 0.1, Consistency: &Consistency{Threshold: 0, Weight: 3}}, store: m.Store(), config: config, method: student}
	exec := model.MustNewExec(backends(t)["Go"], m.Store(), func(_ *model.Scope, in []*Node) []*Node {
		plain := o
		plain.Consistency, plain.method = nil, fusion.None{}
		return append(append(o.parts(in, student), o.parts(in, fusion.None{})...), plain.parts(in, nil)...)
	})
	got := exec.MustCall(images, [][]int32{{0}, {3}, {1}})
	part := func(i int) float64 { return scalar(got[i]) }
	if part(0) != part(1) || part(2) != 0 {
		t.Errorf("a teacher that is the student: parts %v, %v, %v, want the second as the first and no third", part(0), part(1), part(2))
	}
	if part(4) != part(6) || part(4) == part(3) || !(part(5) > 0) {
		t.Errorf("a teacher without fusion: parts %v, %v, %v, want the second to be %v and a third", part(3), part(4), part(5), part(6))
	}
}
