package train_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tokenfuse/datasets"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/train"
	"tokenfuse/lib/vit"
)

// images are generated ones of Fashion-MNIST's size: one channel, 28x28.
func images(t *testing.T, n int) *datasets.Images {
	t.Helper()
	shapes, err := datasets.Shapes(n, 28, 1)
	if err != nil {
		t.Fatal(err)
	}
	grey := *shapes
	grey.Classes = append(slices.Clone(shapes.Classes), "4", "5", "6", "7", "8", "9") // as many as the model has
	grey.Channels, grey.Mean, grey.Std = 1, []float32{0.5}, []float32{0.5}
	grey.Pixels = nil
	for i := range n {
		grey.Pixels = append(grey.Pixels, shapes.Pixels[i*3*28*28:i*3*28*28+28*28]...)
	}
	return &grey
}

func recipe() train.Recipe {
	r := train.FashionMNIST()
	r.Model, r.Config = "tiny", &vit.Config{ImageSize: vit.ImageSize{Height: 28, Width: 28}, PatchSize: 7, Channels: 1,
		Dim: 24, Depth: 3, Heads: 3, MLPRatio: 2, Classes: 10}
	r.Epochs, r.BatchSize, r.WarmUpEpochs = 2, 8, 0.5
	return r
}

func options(t *testing.T, dir string) train.Options {
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	return train.Options{Dir: dir, Backend: backend, Train: images(t, 32), Test: images(t, 8), CheckpointEvery: 2}
}

// TestResume: a run that was stopped and started again ends at the very weights of one that was not.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	whole, _, err := train.Run(t.Context(), recipe(), options(t, filepath.Join(dir, "whole")))
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, filepath.Join(dir, "parts"))
	for _, stop := range []int{1, 5} { // mid-epoch, in either epoch
		ctx, cancel := context.WithCancel(t.Context())
		o.Progress = func(p train.Progress) {
			if p.Step == stop {
				cancel()
			}
		}
		_, _, err := train.Run(ctx, recipe(), o)
		stopped, ok := errors.AsType[*train.Interrupted](err)
		if !ok || !errors.Is(err, context.Canceled) || stopped.Step != stop || stopped.Dir != o.Dir {
			t.Fatalf("stopped at step %d: %v", stop, err)
		}
	}
	first := 0
	o.Progress = func(p train.Progress) {
		if first == 0 {
			first = p.Step
		}
	}
	parts, _, err := train.Run(t.Context(), recipe(), o)
	if err != nil {
		t.Fatal(err)
	}
	if first != 6 {
		t.Errorf("went on at step %d, want 6", first)
	}
	if !bytes.Equal(saved(t, whole), saved(t, parts)) {
		t.Errorf("the weights differ from those of an uninterrupted run")
	}
}

// TestInitialWeights: a run can go on from weights instead of random ones.
func TestInitialWeights(t *testing.T) {
	dir := t.TempDir()
	r := recipe()
	r.Epochs, r.WarmUpEpochs, r.LearningRate, r.WeightDecay = 1, 0, 1e-20, 0
	first, _, err := train.Run(t.Context(), r, options(t, filepath.Join(dir, "first")))
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Save(filepath.Join(dir, "first-99.safetensors"), nil); err != nil {
		t.Fatal(err)
	}
	r.Seed, r.InitialWeights = 99, filepath.Join(dir, "first-{seed}.safetensors")
	second, _, err := train.Run(t.Context(), r, options(t, filepath.Join(dir, "second")))
	if err != nil {
		t.Fatal(err)
	}
	before, err := first.Weights()
	if err != nil {
		t.Fatal(err)
	}
	after, err := second.Weights()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range before {
		if !after[name].InDelta(want, 1e-6) {
			t.Errorf("with no learning to speak of, %s is not what it started from", name)
		}
	}
	r.InitialWeights = filepath.Join(dir, "gone")
	if _, _, err := train.Run(t.Context(), r, options(t, filepath.Join(dir, "third"))); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("%v does not name the file", err)
	}
}

// TestOwnMethod: a method of one's own is trained with as a built-in one is, and a folder is bound to it.
func TestOwnMethod(t *testing.T) {
	o := options(t, t.TempDir())
	o.Method = fusion.Custom{Label: "first half", Layers: []int{2}, Remaining: func(at fusion.Layer) int { return at.Tokens / 2 },
		Assign: func(at fusion.Layer, e fusion.Evidence) *fusion.Assignment {
			return fusion.Keep(e.FromClass, at.Protected, at.Tokens/2-at.Protected)
		}}
	r := recipe()
	r.Epochs, r.WarmUpEpochs = 1, 0
	if _, _, err := train.Run(t.Context(), r, o); err != nil {
		t.Fatal(err)
	}
	o.Method = fusion.MCTF{R: 4}
	if _, _, err := train.Run(t.Context(), r, o); err == nil || !strings.Contains(err.Error(), "another recipe") {
		t.Errorf("%v does not say that the folder holds a run with another method", err)
	}
}

// saved is a model's weights file.
func saved(t *testing.T, m *vit.Model) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "w.safetensors")
	if err := m.Save(path, nil); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestLearns: the loss falls, of images as they are and of mixed ones.
func TestLearns(t *testing.T) {
	for _, mix := range []float64{0, 0.2} {
		t.Run(fmt.Sprintf("mix=%v", mix), func(t *testing.T) { learns(t, mix) })
	}
}

func learns(t *testing.T, mix float64) {
	var losses []float64
	o := options(t, t.TempDir())
	o.Progress = func(p train.Progress) {
		losses = append(losses, p.Loss)
		if known := p.PerStep > 0; known != (len(losses) > 1) {
			t.Errorf("behind step %d, a step takes %v: the first, which compiles, is to be left out", p.Step, p.PerStep)
		}
	}
	r := recipe()
	r.Epochs, r.Mixup, r.CutMix = 6, mix, mix
	if _, _, err := train.Run(t.Context(), r, o); err != nil {
		t.Fatal(err)
	}
	if first, last := losses[0], losses[len(losses)-1]; !(last < first-0.3) {
		t.Errorf("the loss went from %.3f to %.3f", first, last)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := train.Run(t.Context(), func() train.Recipe { r := recipe(); r.Epochs = 0; return r }(), options(t, dir)); err == nil {
		t.Error("no epochs were accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := train.Run(ctx, recipe(), options(t, dir)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	other := recipe()
	other.Seed++
	if _, _, err := train.Run(t.Context(), other, options(t, dir)); err == nil || !strings.Contains(err.Error(), "another recipe") {
		t.Errorf("%v does not say that the folder holds another run", err)
	}
	diverging := recipe()
	diverging.LearningRate, diverging.WarmUpEpochs = 100, 0
	diverging.WeightDecay = 100
	_, _, err := train.Run(t.Context(), diverging, options(t, t.TempDir()))
	if err == nil || !strings.Contains(err.Error(), "lower the learning rate") {
		t.Errorf("%v does not say what to do about a loss that is no number", err)
	}
}

func TestParseRecipe(t *testing.T) {
	r, err := train.ParseRecipe([]byte(`{"epochs":3,"fusion":{"method":"mctf","r":4}}`))
	if err != nil || r.Epochs != 3 || r.BatchSize != train.FashionMNIST().BatchSize {
		t.Errorf("%+v, %v", r, err)
	}
	for text, want := range map[string]string{
		`{"epoch":3}`:               `unknown field "epoch"`,
		`{"dataset":"mnist"}`:       `unknown dataset "mnist"`,
		`{"fusion":{"method":"x"}}`: `unknown method "x"`,
		`{"crop":-1}`:               "crop is -1",
		`{} {}`:                     "something follows",
		"{\n\"epochs\": 3,\n}":      "line 3, column 1: invalid character",
		"{\n\"epochs\": \"three\"}": "line 2, column 17: epochs is a string, want a whole number",
		"{\"fusion\": {\"method\": \"mctf\",\n\"bidirectional\": 1}}": "fusion: bidirectional is a number",
	} {
		if _, err := train.ParseRecipe([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v does not say %q", text, err, want)
		}
	}
}

func FuzzParseRecipe(f *testing.F) {
	paths, err := filepath.Glob("recipes/*.json")
	if err != nil || len(paths) == 0 {
		f.Fatal("no recipes to begin with", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"epochs":3,"fusion":{"method":"mctf","r":4}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := train.ParseRecipe(data); err == nil && r.Validate() != nil {
			t.Errorf("%s was accepted but is not valid", data)
		}
	})
}
