package ablation_test

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/datasets"
	"tokenfuse/lib/ablation"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

func study(t *testing.T) (*vit.Model, *datasets.Images) {
	t.Helper()
	images, err := datasets.Shapes(20, 16, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := vit.New(vit.Config{ImageSize: vit.ImageSize{Height: 16, Width: 16}, PatchSize: 4, Channels: 3,
		Dim: 12, Depth: 3, Heads: 3, MLPRatio: 2, Classes: 4}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m, images
}

func TestRun(t *testing.T) {
	m, images := study(t)
	var done, total int
	rows, err := ablation.Study{Model: m, Images: images, Progress: func(d, n int) { done, total = d, n }}.
		Run(t.Context(), fusion.None{}, fusion.MCTF{R: 3})
	if err != nil {
		t.Fatal(err)
	}
	if done != 40 || total != 40 {
		t.Errorf("progress ended at %d of %d, want 40 of 40", done, total)
	}
	for i, row := range rows {
		if err := row.Validate(); err != nil {
			t.Errorf("row %d: %v", i, err)
		}
		if row.Samples != 20 || row.Dataset != images.Name {
			t.Errorf("row %d: %+v", i, row)
		}
	}
	if base, fused := rows[0], rows[1]; fused.GMACs >= base.GMACs || fused.Method != "mctf" || base.Method != "none" {
		t.Errorf("MCTF costs %v GMACs, its base model %v", fused.GMACs, base.GMACs)
	}
}

// TestAccuracy: the share does not depend on the batches it is counted in, the last one smaller.
func TestAccuracy(t *testing.T) {
	m, images := study(t)
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	classifier, err := m.WithBackend(backend, fusion.None{})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := ablation.Accuracy(t.Context(), classifier, images, 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, batch := range []int{1, 7} {
		if got, err := ablation.Accuracy(t.Context(), classifier, images, batch); err != nil || got != whole {
			t.Errorf("batches of %d: %v, %v; want %v", batch, got, err, whole)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ablation.Accuracy(ctx, classifier, images, 7); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := ablation.Accuracy(t.Context(), classifier, images.First(0), 7); err == nil {
		t.Error("no images were classified")
	}
}

// TestNotFinite: a model whose logits are no numbers has no accuracy, in a study, a sweep, a training.
func TestNotFinite(t *testing.T) {
	m, images := study(t)
	m.Name = "broken"
	for v := range m.Store().IterVariables() {
		if err := v.SetValue(tensors.FromScalarAndDimensions(float32(math.NaN()), v.Shape().Dimensions...)); err != nil {
			t.Fatal(err)
		}
	}
	backend, err := accel.Backend()
	if err != nil {
		t.Fatal(err)
	}
	classifier, err := m.WithBackend(backend, fusion.None{})
	if err != nil {
		t.Fatal(err)
	}
	const want = "ablation: broken under none: the logits of image 0 are not finite: class 0 has NaN"
	if accuracy, err := ablation.Accuracy(t.Context(), classifier, images, 7); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("accuracy %v, error %v, want %q", accuracy, err, want)
	}
	if rows, err := ablation.Run(t.Context(), m, images, fusion.None{}); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("rows %v, error %v, want %q", rows, err, want)
	}
	g := ablation.Grid{Models: []ablation.GridModel{{Value: m}}, Methods: ablation.Methods(fusion.None{}), Data: ablation.On(images)}
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	sweep(t, cellsOf(t, g), ablation.Options{Backend: backend, Store: open(t, path, "")})
	rows, failures, err := ablation.ReadStore(path)
	if err != nil || len(rows) != 0 || len(failures) != 1 || !strings.HasPrefix(failures[0].Error, want) || failures[0].Correct != "" {
		t.Errorf("rows %+v, failures %+v, error %v, want one failure: %q", rows, failures, err, want)
	}
}

func TestMisfit(t *testing.T) {
	m, images := study(t)
	if _, err := ablation.Run(t.Context(), m, images, fusion.MCTF{R: 3, Layers: []int{9}}); err == nil {
		t.Error("a layer that the model lacks was accepted")
	}
}

// TestPictures: the same images out of files are classified the same; of what is left out, nothing is
// counted.
func TestPictures(t *testing.T) {
	m, images := study(t)
	want, err := ablation.Run(t.Context(), m, images, fusion.None{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i := range images.Len() {
		var file bytes.Buffer
		if err := png.Encode(&file, images.Image(i)); err != nil {
			t.Fatal(err)
		}
		class := filepath.Join(dir, strconv.Itoa(images.Label(i)))
		if err := os.MkdirAll(class, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(class, strconv.Itoa(i)+".png"), file.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "0", "broken.png"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	half := []float64{0.5, 0.5, 0.5}
	pictures, err := datasets.Folder(dir, datasets.Test, datasets.Transform{Height: 16, Width: 16, Channels: 3, Mean: half, Std: half})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ablation.Run(t.Context(), m, pictures, fusion.None{}); err == nil || !strings.Contains(err.Error(), "broken.png") {
		t.Errorf("error %v does not name the broken file", err)
	}
	pictures.SkipBroken = true
	got, err := ablation.Run(t.Context(), m, pictures, fusion.None{})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].AccuracyTop1 != want[0].AccuracyTop1 || got[0].Samples != 20 || got[0].Split != "test" {
		t.Errorf("%+v, want the accuracy of %+v", got[0], want[0])
	}
}
