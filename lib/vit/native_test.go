package vit

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/native"
)

// softly is a method of one's own that makes soft assignments one step ahead, which no built-in one does.
func softly() fusion.Method {
	return fusion.Custom{Label: "softly", Layers: []int{1}, Place: fusion.AheadApproximate, Remaining: func(fusion.Layer) int { return 9 },
		Assign: func(_ fusion.Layer, e fusion.Evidence) *fusion.Assignment {
			shares := Softmax(Slice(e.X, AxisRange(), AxisRange(), AxisRange(0, 9)), 1) // [b, t, 9]
			return fusion.Mix(TransposeAllAxes(shares, 0, 2, 1))
		}}
}

// TestNative: every method in every model has the same logits, sizes and source maps with package native's
// operations and under the pure Go backend, which has none of them.
func TestNative(t *testing.T) {
	backend, err := accel.Backend()
	if err != nil {
		t.Fatal(err)
	}
	if accel.Name(backend) == "Go" {
		t.Skip("no XLA to compare: run `go run ./kernel setup`")
	}
	plain, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	methods := []fusion.Method{softly()}
	for _, spec := range []string{"mctf:r=3,one_step_ahead=precise", "mctf:r=3,one_step_ahead=off", "mctf:r=3,pooling=max", "mctf:r=3,pooling=size",
		"mctf:r=3,bidirectional=false", "mctf:r=3,tau.similarity=0", "mctf:r=3,tau.similarity=3,tau.size=0", "mctf:r=3,proportional_attention=false"} {
		method, err := fusion.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		methods = append(methods, method)
	}
	for _, d := range fusion.Methods() {
		methods = append(methods, schedules(t, d)[1])
	}
	for name, config := range everyModel() {
		for i, method := range methods {
			if !slices.Contains([]string{"none", "mctf", "tome", "evit"}, method.Name()) && name != "deit" {
				continue // the blocks are the same
			}
			t.Run(fmt.Sprintf("%s/%s/%d", name, method.Name(), i), func(t *testing.T) {
				if _, err := Learned(config, method); err != nil {
					if config.Protected() > 0 || !strings.Contains(err.Error(), "class token") {
						t.Fatal(err)
					}
					return // there is nothing to reduce by
				}
				got, want := traced(t, config, method, backend), traced(t, config, method, plain)
				same(t, "logits", got.Logits, want.Logits, 2e-4)
				same(t, "size", got.Size, want.Size, 0)
				same(t, "source", got.Source, want.Source, 0)
				same(t, "counts", got.Counts, want.Counts, 0)
			})
		}
	}
	// What bfloat16 rounds may choose other tokens, so a model without a method.
	config := tiny(false)
	config.DType = BFloat16
	same(t, "bfloat16", traced(t, config, fusion.None{}, backend).Logits, traced(t, config, fusion.None{}, plain).Logits, 3e-2)
}

// TestNativeAlone: an image has the same logits, bit for bit, alone and among others.
func TestNativeAlone(t *testing.T) {
	backend, err := accel.Backend()
	if err != nil {
		t.Fatal(err)
	}
	if !native.Serves(backend) {
		t.Skip("no plugin that has them: run `go run ./kernel setup`")
	}
	config := Config{ImageSize: ImageSize{48, 48}, PatchSize: 4, Channels: 1, Dim: 24, Depth: 3, Heads: 2, MLPRatio: 2, Classes: 5} // 145 tokens
	m, err := New(config, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []fusion.Method{fusion.None{}, fusion.MCTF{R: 16}, fusion.ToMe{R: 16}} {
		classifier, err := m.With(method)
		if err != nil {
			t.Fatal(err)
		}
		const batch = 40 // more than are cut into parts
		images := randomImages(config, batch)
		pixels := tensors.MustCopyFlatData[float32](images)
		all, err := classifier.Logits(images)
		if err != nil {
			t.Fatal(err)
		}
		logits := tensors.MustCopyFlatData[float32](all)
		for i := range 3 {
			one, err := classifier.Logits(tensors.FromFlatDataAndDimensions(pixels[i*48*48:(i+1)*48*48], 1, 1, 48, 48))
			if err != nil {
				t.Fatal(err)
			}
			same(t, method.Name(), one, tensors.FromFlatDataAndDimensions(logits[i*5:(i+1)*5], 1, 5), 0)
		}
		classifier.Close()
	}
}

// traced is what an untrained model says of two images on a backend.
func traced(t *testing.T, config Config, method fusion.Method, backend compute.Backend) *Prediction {
	t.Helper()
	m, err := New(config, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Learn(method, 3); err != nil {
		t.Fatal(err)
	}
	classifier, err := m.WithBackend(backend, method)
	if err != nil {
		t.Fatal(err)
	}
	defer classifier.Close()
	p, err := classifier.Trace(randomImages(config, 2))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func same(t *testing.T, what string, got, want *tensors.Tensor, tolerance float64) {
	t.Helper()
	a, b := tensors.MustCopyFlatData[float32](got), tensors.MustCopyFlatData[float32](want)
	if len(a) != len(b) {
		t.Fatalf("%s: %d numbers, want %d", what, len(a), len(b))
	}
	for i := range a {
		if d := math.Abs(float64(a[i] - b[i])); !(d <= tolerance*max(1, math.Abs(float64(b[i])))) {
			t.Fatalf("%s: number %d is %v, want %v", what, i, a[i], b[i])
		}
	}
}
