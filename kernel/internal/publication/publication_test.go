package publication

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/provenance"
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

// staged is a publication that is about to move to its place; text makes it differ from another.
func staged(t *testing.T, output, text string, figures bool) *Publication {
	t.Helper()
	path := filepath.Join(t.TempDir(), "study.ipynb")
	source := strings.Replace(executed, "0.903500", text, 1)
	if !figures {
		source = strings.Replace(source, "vnd.tokenfuse.rows", "vnd.other", 1)
	}
	source = strings.Replace(source, `gmacs\":1`, `gmacs\":`+text, 1)
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Begin(path, output, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Discard)
	executed := p.job.Notebook
	if p.Record.Figures, err = writeData(executed, p.staging, p.name+"-data"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.staged(".html"), []byte("<html>"+text+"</html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Record.Format, p.Record.Cells = 1, map[string]provenance.Checksums{}
	if err := p.seal(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestKilledBetweenMoves: wherever publish is killed while it replaces a publication, there is the old one,
// the new one, or a mix that is told to be one; the next publish mends it.
func TestKilledBetweenMoves(t *testing.T) {
	for _, figures := range [][2]bool{{true, true}, {true, false}, {false, true}, {false, false}} {
		mixed := 0
		for done := 0; ; done++ {
			output := t.TempDir()
			fits := func() bool {
				published, err := nbformat.Read(filepath.Join(output, "study.ipynb"))
				if err != nil {
					t.Fatal(err)
				}
				misfits, any := provenance.Misfits(published, output)
				page, err := os.ReadFile(filepath.Join(output, "study.html"))
				if err != nil || !any {
					t.Fatal(any, err)
				}
				if is := strings.Contains(string(page), strings.Fields(published.Cells[1].Outputs[0].Text)[1]); len(misfits) == 0 && !is {
					t.Errorf("figures %v, killed after %d moves: a mix is taken for a publication", figures, done)
				}
				return len(misfits) == 0
			}
			if err := staged(t, output, "0.1", figures[0]).place(); err != nil || !fits() {
				t.Fatal("the first publication is none", err)
			}
			moves := staged(t, output, "0.2", figures[1]).moves()
			if done > len(moves) {
				break
			}
			for _, move := range moves[:done] {
				if err := os.Rename(move.from, move.to); err != nil {
					t.Fatal(err)
				}
			}
			if ok := fits(); !ok {
				mixed++
			} else if done == len(moves)-1 {
				t.Errorf("figures %v: before the last move all fits", figures)
			}
			if err := staged(t, output, "0.3", figures[1]).place(); err != nil || !fits() {
				t.Errorf("figures %v, killed after %d moves: published again, it is none: %v", figures, done, err)
			}
		}
		if mixed == 0 {
			t.Errorf("figures %v: never mixed: the test shows nothing", figures)
		}
	}
}
