package main

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tokenfuse/lib/vit"
)

// TestPredictNamed: weights of a named model are taken from the folder of TOKENFUSE_MODELS, and classes
// printed by the first words of their names.
func TestPredictNamed(t *testing.T) {
	const name = "deit_tiny_patch16_224"
	dir := t.TempDir()
	named, err := vit.ByName(name)
	must(t, err)
	m, err := vit.New(named.Config, 1)
	must(t, err)
	must(t, m.Save(filepath.Join(dir, name+".safetensors"), nil))
	picture := filepath.Join(dir, "picture.png")
	pixels := image.NewRGBA(image.Rect(0, 0, 40, 30))
	for i := range 40 * 30 {
		pixels.Set(i%40, i/40, color.RGBA{uint8(i), uint8(i / 3), uint8(i / 7), 255})
	}
	f, err := os.Create(picture)
	must(t, err)
	must(t, png.Encode(f, pixels))
	must(t, f.Close())

	got := kernel(t, []string{"TOKENFUSE_MODELS=" + dir}, "predict", "--model", name, picture)
	if got.code != 0 {
		t.Fatalf("exit %d: %s", got.code, got.stderr)
	}
	known := map[string]bool{}
	for _, label := range named.Labels {
		first, _, _ := strings.Cut(label, ", ")
		known[first] = true
	}
	classes := strings.Split(strings.TrimSpace(strings.TrimPrefix(got.stdout, picture+": ")), ", ")
	if len(classes) != 5 {
		t.Errorf("%q are not five classes", got.stdout)
	}
	for _, class := range classes {
		if word := class[:max(0, strings.LastIndex(class, " "))]; !known[word] {
			t.Errorf("%q is no class of ImageNet", word)
		}
	}
}

// TestPredictWithoutWeights: where a model's weights cannot be had, one line says what was tried and
// what helps, and the exit code that the machine lacks something. A CONFIG.json has no weights at all.
func TestPredictWithoutWeights(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "vit_fmnist_patch4_28.json")
	must(t, os.WriteFile(config, []byte(`{"image_size":8,"patch_size":4,"dim":8,"depth":1,"heads":1,"classes":2}`), 0o600))
	// A proxy that is not there: nothing leaves this machine.
	env := []string{"TOKENFUSE_MODELS=", "XDG_CACHE_HOME=" + dir, "HOME=" + dir, "HTTPS_PROXY=http://127.0.0.1:1", "https_proxy=http://127.0.0.1:1"}
	for model, want := range map[string]struct {
		code int
		text string
	}{
		"deit_tiny_patch16_224": {3, "or load a checkpoint with vit.FromFile (--weights FILE)"},
		config:                  {2, "comes without weights: give them with --weights FILE"},
	} {
		got := kernel(t, env, "predict", "--model", model, "picture.png")
		if got.code != want.code || !strings.Contains(got.stderr, want.text) || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("%s: exit %d, %q, want %d and %q in one line", model, got.code, got.stderr, want.code, want.text)
		}
	}
}
