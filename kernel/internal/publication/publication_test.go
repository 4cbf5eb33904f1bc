package publication

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// entries lists a folder.
func entries(t *testing.T, dir string) string {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range found {
		names = append(names, entry.Name())
	}
	return strings.Join(names, " ")
}

// TestBegin: what a publication that was killed has left goes; data that are not publish's do not.
func TestBegin(t *testing.T) {
	path, output := filepath.Join(t.TempDir(), "study.ipynb"), t.TempDir()
	put := func(path, text string) {
		t.Helper()
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put(path, executed)
	put(filepath.Join(output, ".study.writing-1", "study.html"), "half a page")
	put(filepath.Join(output, "study-data", "cell-03-2.jsonl"), "{}")
	p, err := Begin(path, output, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := entries(t, output), filepath.Base(p.staging)+" study-data"; got != want {
		t.Errorf("while it is under way: %s, want %s", got, want)
	}
	p.Discard()
	if got := entries(t, output); got != "study-data" {
		t.Errorf("left behind: %s", got)
	}
	put(filepath.Join(output, "study-data", "thesis.csv"), "years of work")
	if _, err := Begin(path, output, nil); err == nil || !strings.Contains(err.Error(), `holds "thesis.csv", which publish did not write`) {
		t.Errorf("over the user's own data: %v", err)
	}
}
