package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/weights"
)

// TestHarmless: what a terminal would obey reaches it from nobody's file, neither in a table nor in an error or a
// warning.
func TestHarmless(t *testing.T) {
	const forged = "tome\x1b[2K\u009b1A\a\r"
	dir := t.TempDir()
	store, file, input := filepath.Join(dir, "rows.jsonl"), filepath.Join(dir, "x.safetensors"), filepath.Join(dir, "input.safetensors")
	must(t, os.WriteFile(store, []byte(`{"model":"m","method":"tome\u001b[2K\u009b1A\u0007\r","gmacs":1,"accuracy_top1":0.5,"key":"k"}`+"\n"), 0o600))
	must(t, weights.Write(file, &weights.File{Tensors: map[string]*tensors.Tensor{forged: tensors.FromScalar(float32(1))}}))
	must(t, weights.Write(input, &weights.File{Tensors: map[string]*tensors.Tensor{"input": tensors.FromScalarAndDimensions(float32(1), 1, 1, 28, 28)}}))
	for name, args := range map[string][]string{
		"table": {"sweep", "show", store},
		"error": {"predict", "--model", "vit_fmnist_patch4_28", "--weights", file, "--input", input},
	} {
		t.Run(name, func(t *testing.T) {
			got := kernel(t, nil, args...)
			all := got.stdout + got.stderr
			if strings.ContainsAny(all, "\x1b\a\r\u009b") || !strings.Contains(all, "tome?[2K??1A?") {
				t.Errorf("stdout %q, stderr %q", got.stdout, got.stderr)
			}
		})
	}
}
