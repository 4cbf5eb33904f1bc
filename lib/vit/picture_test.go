package vit

import (
	"image"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
)

// TestInput: a white and a black picture of other sizes, normalised as the model's images are.
func TestInput(t *testing.T) {
	m, err := Load("vit_fmnist_patch4_28")
	if err != nil {
		t.Fatal(err)
	}
	named, err := ByName(m.Name)
	if err != nil {
		t.Fatal(err)
	}
	white := image.NewGray(image.Rect(0, 0, 40, 30))
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	input := m.Input(white, image.NewGray(image.Rect(0, 0, 28, 28)))
	if err := CheckImages(m.Config, input); err != nil {
		t.Fatal(err)
	}
	pixels := tensors.MustCopyFlatData[float32](input)
	mean, std := named.Evaluation.Mean[0], named.Evaluation.Std[0]
	for i, want := range []float32{float32((1 - mean) / std), float32(-mean / std)} {
		each := pixels[i*28*28 : (i+1)*28*28]
		if low, high := slices.Min(each), slices.Max(each); low < want-1e-5 || high > want+1e-5 {
			t.Errorf("picture %d has pixels from %v to %v, want %v", i, low, high, want)
		}
	}
}
