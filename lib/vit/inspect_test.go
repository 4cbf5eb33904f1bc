package vit

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
)

// TestInspect: what layers know of an image fits together, and a step run on it alone fuses as it does
// in the model.
func TestInspect(t *testing.T) {
	config := Config{ImageSize: ImageSize{Height: 20, Width: 16}, PatchSize: 4, Channels: 1,
		Dim: 24, Depth: 2, Heads: 3, MLPRatio: 2, Classes: 5}
	pixels := make([]float32, 20*16)
	for i := range pixels {
		pixels[i] = float32(math.Sin(float64(i * i)))
	}
	for name, backend := range backends(t) {
		model, err := New(config, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, method := range []fusion.Method{fusion.MCTF{R: 3, OneStepAhead: fusion.AheadPrecise}, fusion.ToMe{R: 4}} {
			classifier, err := model.WithBackend(backend, method)
			if err != nil {
				t.Fatal(err)
			}
			image := tensors.FromFlatDataAndDimensions(pixels, 1, 1, 20, 16)
			layers, err := classifier.Inspect(image)
			if err != nil {
				t.Fatal(err)
			}
			trace, err := classifier.Trace(image)
			if err != nil {
				t.Fatal(err)
			}
			for l, layer := range layers {
				what := func(format string, args ...any) {
					t.Helper()
					t.Errorf("%s on %s, layer %d: "+format, append([]any{method.Name(), name, l}, args...)...)
				}
				if l > 0 && !slices.Equal(layer.SourceMap(), trace.Sources(0)[l-1]) {
					what("tokens enter that do not leave the layer before")
				}
				out, err := layer.Fuse(method)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(through(out.Source, layer.Source), trace.Sources(0)[l]) {
					what("fuses otherwise outside the model")
				}
				tokens := len(layer.Received)
				mean := layer.Map()
				for k := range tokens {
					received := float32(0)
					for q := range tokens {
						received += mean[q][k] / float32(tokens)
					}
					near(t, received, layer.Received[k])
					near(t, mean[0][k], layer.FromClass[k])
				}
				sum := float32(0)
				for _, size := range layer.Sizes() {
					sum += size
				}
				near(t, sum, float32(config.Tokens()))
			}
			classifier.Close()
		}
	}
}

// TestOnPatches: each patch has what its token has, row by row of the image.
func TestOnPatches(t *testing.T) {
	config := Config{ImageSize: ImageSize{Height: 8, Width: 12}, PatchSize: 4, Channels: 1,
		Dim: 4, Depth: 1, Heads: 1, MLPRatio: 2, Classes: 2}
	model, err := New(config, 1)
	if err != nil {
		t.Fatal(err)
	}
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	classifier, err := model.WithBackend(backend, fusion.None{})
	if err != nil {
		t.Fatal(err)
	}
	defer classifier.Close()
	layers, err := classifier.Inspect(tensors.FromScalarAndDimensions(float32(0), 1, 1, 8, 12))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := layers[0].OnPatches([]float32{9, 1, 2, 3, 4, 5, 6}), []float64{1, 2, 3, 4, 5, 6}; !slices.Equal(got, want) {
		t.Errorf("unfused: %v, want %v", got, want)
	}
	// The class token; patches 0 and 5; patch 1; patch 4. Patches 2 and 3 are dropped.
	layers[0].Source = tensors.FromValue([][][]float32{{
		{1, 0, 0, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0, 1}, {0, 0, 1, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 1, 0}}})
	if got, want := layers[0].OnPatches([]float32{9, 1, 2, 3}), []float64{1, 2, 0, 0, 3, 1}; !slices.Equal(got, want) {
		t.Errorf("fused: %v, want %v", got, want)
	}
	_, err = classifier.Inspect(tensors.FromScalarAndDimensions(float32(0), 2, 1, 8, 12))
	if err == nil || !strings.Contains(err.Error(), "2 images to look into, want 1") {
		t.Errorf("two images: %v", err)
	}
}

// through follows a source map [1, fused, tokens] back by one before, [1, tokens, first tokens].
func through(source, before *tensors.Tensor) []float32 {
	s, b := source.Value().([][][]float32)[0], before.Value().([][][]float32)[0]
	var out []float32
	for _, row := range s {
		for first := range b[0] {
			sum := float32(0)
			for token, in := range row {
				sum += in * b[token][first]
			}
			out = append(out, sum)
		}
	}
	return out
}

func near(t *testing.T, got, want float32) {
	t.Helper()
	if math.Abs(float64(got-want)) > 1e-5 {
		t.Errorf("%v, want %v", got, want)
	}
}
