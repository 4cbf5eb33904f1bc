package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/provision/provisiontest"
)

// TestJupytext: a notebook becomes a Go file to review, in which GoNB's %% is a comment, and comes back
// from it cell by cell; an edit of the file is an edit of the notebook, which keeps its outputs.
func TestJupytext(t *testing.T) {
	python := provisiontest.Python(t, "jupytext")
	dir := t.TempDir()
	jupytext := func(arguments ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), python, append([]string{"-m", "jupytext"}, arguments...)...)
		cmd.Dir = dir
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("jupytext %q: %v\n%s", arguments, err, said)
		}
	}
	original, err := nbformat.Read("../notebooks/01-quickstart.ipynb")
	must(t, err)
	must(t, nbformat.Write(filepath.Join(dir, "course.ipynb"), original))

	jupytext("--to", "go:percent", "course.ipynb")
	source, err := os.ReadFile(filepath.Join(dir, "course.go"))
	must(t, err)
	for _, want := range []string{"// %% [markdown]\n// # Token fusion", "// %% tags=[\"parameters\"]\nvar (\n", "// %%\n//gonb:%%\n", "//     name: tokenfuse\n"} {
		if !strings.Contains(string(source), want) {
			t.Errorf("no %q in the Go file", want)
		}
	}
	jupytext("--to", "ipynb", "--output", "back.ipynb", "course.go")
	back, err := nbformat.Read(filepath.Join(dir, "back.ipynb"))
	must(t, err)
	compareCells(t, original, back, false)

	edited := strings.Replace(string(source), "shown  = 5 ", "shown  = 7 ", 1)
	must(t, os.WriteFile(filepath.Join(dir, "course.go"), []byte(edited), 0o600))
	jupytext("--to", "ipynb", "--update", "--output", "course.ipynb", "course.go")
	updated, err := nbformat.Read(filepath.Join(dir, "course.ipynb"))
	must(t, err)
	for _, cell := range original.Cells {
		cell.Source = strings.Replace(cell.Source, "shown  = 5 ", "shown  = 7 ", 1)
	}
	compareCells(t, original, updated, true)
}

// compareCells compares kinds, sources and tags, and the number of outputs where these are kept.
func compareCells(t *testing.T, want, got *nbformat.Notebook, outputs bool) {
	t.Helper()
	if len(got.Cells) != len(want.Cells) {
		t.Fatalf("%d cells, want %d", len(got.Cells), len(want.Cells))
	}
	for i, cell := range want.Cells {
		other := got.Cells[i]
		if other.Kind != cell.Kind || other.Source != cell.Source || other.HasTag("parameters") != cell.HasTag("parameters") {
			t.Errorf("cell %d: %s %q, want %s %q", i, other.Kind, other.Source, cell.Kind, cell.Source)
		}
		if outputs && len(other.Outputs) != len(cell.Outputs) {
			t.Errorf("cell %d: %d outputs, want %d", i, len(other.Outputs), len(cell.Outputs))
		}
	}
}
