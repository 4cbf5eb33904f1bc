package publication

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tokenfuse/kernel/internal/compare"
	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/provenance"
	"tokenfuse/lib/inputs"
)

const executed = `{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
	{"id": "title", "cell_type": "markdown", "metadata": {}, "source": "# A study\n\nof 3 methods"},
	{"id": "one", "cell_type": "code", "metadata": {}, "execution_count": 1, "source": "run(8)", "outputs": [
		{"output_type": "stream", "name": "stdout", "text": "accuracy 0.903500 of 10000\n"},
		{"output_type": "display_data", "metadata": {}, "data": {"text/plain": "rows", "application/vnd.tokenfuse.rows": "{\"gmacs\":1}\n"}}]},
	{"id": "two", "cell_type": "code", "metadata": {"tags": ["timing"]}, "execution_count": 2, "source": "time()", "outputs": [
		{"output_type": "stream", "name": "stdout", "text": "1.5 s\n"}]}]}`

// study is a published notebook in a folder of the test's own, and its execution here, which gave the same.
func study(t *testing.T) (published Published, again Again, path string) {
	t.Helper()
	notebook, err := nbformat.Parse([]byte(executed))
	if err != nil {
		t.Fatal(err)
	}
	repeated, err := nbformat.Parse([]byte(executed))
	if err != nil {
		t.Fatal(err)
	}
	here := provenance.Provenance{
		Format: 1, Notebook: "notebooks/study.ipynb", Commit: "c0ffee", Clean: true, Go: "1.26.8", GoNB: "v0.11.5",
		Modules:  map[string]string{"github.com/gomlx/gomlx": "v0.28.8", "gonum.org/v1/plot": "v0.17.0"},
		Backends: []string{"XLA CPU"}, System: "linux/amd64", Processor: "AMD EPYC", Cores: 2,
		Inputs: []inputs.Input{{Kind: inputs.Dataset, Name: "fashion-mnist t10k", SHA256: "5b4141f0afba"}, {Kind: inputs.Weights, Name: "vit", SHA256: "aa"}},
	}
	record := here
	record.Modules, record.Inputs, record.Cells = maps.Clone(here.Modules), slices.Clone(here.Inputs), map[string]provenance.Checksums{}
	for _, cell := range notebook.Cells {
		record.Cells[cell.ID] = provenance.Sum(cell)
	}
	path = filepath.Join(t.TempDir(), "study.ipynb")
	if record.Figures, err = writeData(notebook, filepath.Dir(path), "study-data"); err != nil {
		t.Fatal(err)
	}
	took := provenance.Durations{Total: 3}
	notebook.Cells = append(notebook.Cells, &nbformat.Cell{ID: provenance.CellID, Kind: nbformat.Markdown, Source: provenance.Table(record, took, "study.ipynb")})
	if err := provenance.Set(notebook, record, took); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "study.html"), []byte("<html></html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := provenance.SetFiles(notebook, filepath.Dir(path), append([]string{"study.html"}, record.Figures...)); err != nil {
		t.Fatal(err)
	}
	if err := nbformat.Write(path, notebook); err != nil {
		t.Fatal(err)
	}
	published, err = ReadPublished(path)
	if err != nil {
		t.Fatal(err)
	}
	return published, Again{Notebook: repeated, Here: here}, path
}

// wrong lists what speaks against a notebook, one finding a line.
func wrong(findings []Finding) string {
	var lines []string
	for _, f := range findings {
		if f.Wrong() {
			lines = append(lines, f.What+" "+string(f.State)+": "+f.Detail)
		}
	}
	return strings.Join(lines, "\n")
}

// Each way to tamper with a published notebook, or to make it from something else, is found and named.
func TestVerdict(t *testing.T) {
	cellOf := func(n *nbformat.Notebook, id string) *nbformat.Cell {
		return n.Cells[slices.IndexFunc(n.Cells, func(c *nbformat.Cell) bool { return c.ID == id })]
	}
	for _, test := range []struct {
		name   string
		change func(t *testing.T, p *Published, a *Again, path string)
		want   string
	}{
		{"nothing", func(*testing.T, *Published, *Again, string) {}, ""},
		{"a number by hand", func(_ *testing.T, p *Published, _ *Again, _ string) {
			cellOf(p.Notebook, "one").Outputs[0].Text = "accuracy 0.913500 of 10000\n"
		}, "cell 1 changed by hand: its output is not the published one; stdout: 0.913500, now 0.903500 (1.09%)"},
		{"a number by hand, within the tolerance", func(_ *testing.T, p *Published, _ *Again, _ string) {
			cellOf(p.Notebook, "one").Outputs[0].Text = "accuracy 0.903501 of 10000\n"
		}, "cell 1 changed by hand: its output is not the published one; 3 numbers within 1.1e-06"},
		{"another result here", func(_ *testing.T, _ *Published, a *Again, _ string) {
			cellOf(a.Notebook, "one").Outputs[0].Text = "accuracy 0.903400 of 10000\n"
		}, "cell 1 differs: stdout: 0.903500, now 0.903400 (0.0111%)"},
		{"another result here, within the tolerance", func(_ *testing.T, _ *Published, a *Again, _ string) {
			cellOf(a.Notebook, "one").Outputs[0].Text = "accuracy 0.903501 of 10000\n"
		}, ""},
		{"other times", func(_ *testing.T, p *Published, _ *Again, _ string) {
			cellOf(p.Notebook, "two").Outputs[0].Text = "9.5 s\n"
		}, ""},
		{"a number in the text", func(_ *testing.T, p *Published, _ *Again, _ string) {
			cellOf(p.Notebook, "title").Source = "# A study\n\nof 4 methods"
		}, `text "title" changed by hand: its source is not the published one`},
		{"a parameter in the code", func(_ *testing.T, p *Published, _ *Again, _ string) {
			cellOf(p.Notebook, "one").Source = "run(9)"
		}, "cell 1 changed by hand: its source is not the published one; 3 numbers"},
		{"a cell taken out", func(_ *testing.T, p *Published, a *Again, _ string) {
			p.Notebook.Cells, a.Notebook.Cells = slices.Delete(p.Notebook.Cells, 1, 2), slices.Delete(a.Notebook.Cells, 1, 2)
		}, "cell \"one\" changed by hand: was taken out\ndata study-data/cell-01.jsonl changed by hand: it does not hold the rows in the notebook"},
		{"a cell added", func(_ *testing.T, p *Published, _ *Again, _ string) {
			p.Notebook.Cells = append(p.Notebook.Cells, &nbformat.Cell{ID: "more", Kind: nbformat.Markdown})
		}, `text "more" changed by hand: was added`},
		{"the table at the end", func(_ *testing.T, p *Published, _ *Again, _ string) {
			table := cellOf(p.Notebook, provenance.CellID)
			table.Source = strings.Replace(table.Source, "v0.28.8", "v0.29.0", 1)
		}, "table of provenance changed by hand: it does not say what the metadata say"},
		{"the data of a figure", func(t *testing.T, _ *Published, _ *Again, path string) {
			if err := os.WriteFile(filepath.Join(filepath.Dir(path), "study-data", "cell-01.jsonl"), []byte(`{"gmacs":2}`), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "file study-data/cell-01.jsonl changed by hand: is not the one published with the notebook (changed since, or publish was killed before it was done): publish again"},
		{"the page", func(t *testing.T, _ *Published, _ *Again, path string) {
			if err := os.WriteFile(filepath.Join(filepath.Dir(path), "study.html"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "file study.html changed by hand: is not the one published with the notebook (changed since, or publish was killed before it was done): publish again"},
		{"a link out of the folder", func(t *testing.T, _ *Published, _ *Again, path string) {
			page, elsewhere := filepath.Join(filepath.Dir(path), "study.html"), filepath.Join(t.TempDir(), "study.html")
			if err := errors.Join(os.Rename(page, elsewhere), os.Symlink(elsewhere, page)); err != nil {
				t.Fatal(err)
			}
		}, "file study.html changed by hand: is no file of the folder: publish again"},
		{"a device in its place", func(t *testing.T, _ *Published, _ *Again, path string) {
			page := filepath.Join(filepath.Dir(path), "study.html")
			if err := errors.Join(os.Remove(page), os.Symlink("/dev/zero", page)); err != nil {
				t.Fatal(err)
			}
		}, "file study.html changed by hand: is no file of the folder: publish again"},
		{"no data beside the page", func(t *testing.T, _ *Published, _ *Again, path string) {
			if err := os.RemoveAll(filepath.Join(filepath.Dir(path), "study-data")); err != nil {
				t.Fatal(err)
			}
		}, "file study-data/cell-01.jsonl changed by hand: is not there: publish again"},
		{"the notebook alone", func(t *testing.T, _ *Published, _ *Again, path string) {
			dir := filepath.Dir(path)
			if err := errors.Join(os.RemoveAll(filepath.Join(dir, "study-data")), os.Remove(filepath.Join(dir, "study.html"))); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"a path to other files", func(t *testing.T, p *Published, _ *Again, path string) {
			if err := provenance.SetFiles(p.Notebook, filepath.Dir(path), []string{"study.html", "../" + filepath.Base(filepath.Dir(path)) + "/study.html"}); err != nil {
				t.Fatal(err)
			}
		}, "file ../001/study.html changed by hand: is a path out of the folder"},
		{"a path in the metadata", func(_ *testing.T, p *Published, _ *Again, _ string) {
			p.Record.Figures = []string{"../../etc/passwd"}
			cellOf(p.Notebook, provenance.CellID).Source = provenance.Table(p.Record, p.Took, "study.ipynb")
		}, "data ../../etc/passwd changed by hand: is a path out of the folder"},
		{"another dataset", func(_ *testing.T, _ *Published, a *Again, _ string) { a.Here.Inputs[0].SHA256 = "9f9f9f9f9f9f9f9f" },
			"dataset fashion-mnist t10k differs: SHA-256 5b4141f0afba, now 9f9f9f9f9f9f…"},
		{"a dataset less and one more", func(_ *testing.T, _ *Published, a *Again, _ string) {
			a.Here.Inputs = []inputs.Input{{Kind: inputs.Dataset, Name: "cifar10", SHA256: "01"}, a.Here.Inputs[1]}
		}, "dataset cifar10 differs: is read now, and was not\ndataset fashion-mnist t10k differs: was read, and is not now"},
		{"a library of another version", func(_ *testing.T, _ *Published, a *Again, _ string) {
			a.Here.Modules = map[string]string{"github.com/gomlx/gomlx": "v0.29.0", "gonum.org/v1/plot": "v0.17.0"}
		}, "library github.com/gomlx/gomlx differs: v0.28.8, now v0.29.0"},
		{"a version by hand", func(_ *testing.T, p *Published, a *Again, _ string) {
			p.Record.Modules["gonum.org/v1/plot"], a.Here.Modules = "v0.16.0", maps.Clone(a.Here.Modules)
			a.Here.Modules["gonum.org/v1/plot"] = "v0.16.0"
			cellOf(p.Notebook, provenance.CellID).Source = provenance.Table(p.Record, p.Took, "study.ipynb")
		}, "library gonum.org/v1/plot changed by hand: recorded as v0.16.0, and the recorded commit requires v0.17.0"},
		{"another machine", func(_ *testing.T, _ *Published, a *Again, _ string) {
			a.Here.Processor, a.Here.Commit, a.Here.Go, a.Here.Backends = "Apple M4", "beef", "1.27.0", []string{"Go"}
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			published, again, path := study(t)
			required := maps.Clone(published.Record.Modules)
			test.change(t, &published, &again, path)
			findings := Verdict(published, again, required, path, compare.Options{Tolerance: 1e-5})
			if got := wrong(findings); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			for _, f := range findings {
				if f.State == Other != (test.name == "another machine" && slices.Contains([]string{"commit", "Go", "backend", "machine"}, f.What)) {
					t.Errorf("%s is %s: %s", f.What, f.State, f.Detail)
				}
			}
		})
	}
}

// Jupyter may open and save a published notebook: that changes nothing.
func TestVerdictAfterJupyterSavedIt(t *testing.T) {
	_, again, path := study(t)
	var document any
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &document)
	}
	if err != nil {
		t.Fatal(err)
	}
	if text, err = json.Marshal(document); err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	published, err := ReadPublished(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := wrong(Verdict(published, again, nil, path, compare.Options{})); got != "" {
		t.Errorf("got %s", got)
	}
}

func TestReadPublishedRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ file, text, want string }{
		"a page":          {"a.html", "<html>", "is a page: verify the notebook beside it"},
		"not published":   {"b.ipynb", executed, "does not say what it was made with"},
		"another format":  {"c.ipynb", strings.Replace(executed, `"metadata": {}, "cells"`, `"metadata": {"tokenfuse": {"provenance": {"format": 99}}}, "cells"`, 1), "does not say what it was made with"},
		"not a notebook":  {"d.ipynb", "hello", "not a notebook"},
		"damaged records": {"e.ipynb", strings.Replace(executed, `"metadata": {}, "cells"`, `"metadata": {"tokenfuse": 3}, "cells"`, 1), "does not say what it was made with"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, c.file)
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadPublished(path); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, c.want)
			}
		})
	}
}
