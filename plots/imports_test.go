package plots

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImports: figures are drawn from plain values, and what a cell always imports stays small.
func TestImports(t *testing.T) {
	for name, never := range map[string][]string{
		"tokenfuse/plots":        {"github.com/gomlx", "github.com/janpfeifer/gonb"},
		"tokenfuse/lib/result":   {"github.com/gomlx", "gonum.org"},
		// It keeps tensors (Keep), but builds no graphs and opens no backend.
		"tokenfuse/lib/notebook": {"github.com/gomlx/gomlx/core/graph", "github.com/gomlx/go-xla", "gonum.org", "tokenfuse/lib/vit", "tokenfuse/plots"},
	} {
		list, err := exec.CommandContext(t.Context(), "go", "list", "-deps", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		for imported := range strings.Lines(string(list)) {
			for _, prefix := range never {
				if strings.HasPrefix(imported, prefix) {
					t.Errorf("%s imports %s", name, strings.TrimSpace(imported))
				}
			}
		}
	}
}
