package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSnippets: each snippet that Visual Studio Code offers is a cell that compiles, with its defaults,
// behind the first.
func TestSnippets(t *testing.T) {
	type snippet struct {
		Prefix string
		Body   []string
	}
	var all map[string]snippet
	text, err := os.ReadFile("../.vscode/tokenfuse.code-snippets")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	cells := map[string]string{}
	placeholder := regexp.MustCompile(`\$\{\d+:([^}]*)\}`)
	for name, s := range all {
		if cells[s.Prefix] != "" {
			t.Errorf("%s: another snippet is called %s", name, s.Prefix)
		}
		cells[s.Prefix] = placeholder.ReplaceAllString(strings.Join(s.Body, "\n"), "$1")
	}
	first, _, _ := strings.Cut(cells["tf-start"], "%%")
	if first == "" {
		t.Fatal("no snippet tf-start, which the others follow")
	}
	needs := map[string]string{`"fmt"`: "fmt.", `"tokenfuse/lib/result"`: "result.", `"tokenfuse/lib/notebook/explore"`: "explore."}
	for prefix, cell := range cells {
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			if prefix != "tf-start" {
				cell = first + cell
			}
			imports := "package main\n"
			for path, use := range needs { // as GoNB's goimports does
				if strings.Contains(cell, use) {
					imports += "import " + path + "\n"
				}
			}
			// A Go file has its imports first.
			block := regexp.MustCompile(`(?s)import \(.*?\n\)|import \S* ?"[^"]*"`)
			imports += strings.Join(block.FindAllString(cell, -1), "\n")
			declared, run, _ := strings.Cut(block.ReplaceAllString(cell, ""), "%%")
			used := "var _, _, _, _ = context.Background, ablation.Run, plots.FLOPsAccuracy, fusion.Keep\n"
			file := filepath.Join(t.TempDir(), "main.go")
			source := imports + "\n" + used + declared + "\nfunc main() {" + run + "}\n"
			if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), "go", "vet", file).CombinedOutput(); err != nil {
				t.Errorf("%v: %s\n%s", err, out, source)
			}
		})
	}
}
