package publication

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tokenfuse/kernel/internal/compare"
	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/provenance"
)

// FuzzReadPublished: whatever a file of somebody else says that it was made with, it is refused in one line,
// or what is found of it can be told and its record taken out.
func FuzzReadPublished(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "study.ipynb")
	for _, record := range []string{
		`{"format":1,"notebook":"notebooks/study.ipynb","commit":"c0ffee","clean":true,"modules":{"a":"v1"},"backends":["XLA CPU"],"plugin":{"name":"p","sha256":"0123456789abcdef"},"cores":1,"inputs":[{"kind":"dataset","name":"z","sha256":"01"},{"kind":"dataset","name":"z"}],"parameters":[{"name":"r","value":"8","given":true}],"seeds":["r=1"],"figures":["study-data/cell-01.jsonl","../../etc/passwd","/dev/zero",""],"cells":{"one":{"source":"x"},"gone":{}}}`,
		`{"format":1}`, `{"format":1,"plugin":null,"cells":null,"commit":"-h"}`, `{"format":2}`, `{"format":"1"}`, `null`, `[]`,
	} {
		f.Add([]byte(strings.Replace(executed, `"metadata": {}, "cells"`, `"metadata": {"tokenfuse": {"provenance": `+record+`, "durations": {"cell_seconds": {"one": 1e308}, "files": {"study.ipynb": "x", "../a": "", "/dev/zero": "", "": "0", ".": ""}}}}, "cells"`, 1)))
	}
	f.Add([]byte(strings.Replace(executed, `"id": "title"`, `"id": "`+provenance.CellID+`"`, 1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := ReadPublished(path)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
			return
		}
		again, err := nbformat.Parse(text)
		if err != nil {
			t.Fatalf("read, and then not: %v", err)
		}
		if err := provenance.Strip(again); err != nil {
			t.Fatal(err)
		}
		if _, _, ok := provenance.Get(again); ok {
			t.Error("the record is still there")
		}
		here := p.Record
		for _, finding := range Verdict(p, Again{Notebook: again, Here: here}, here.Modules, path, compare.Options{}) {
			if finding.State == Differs {
				t.Errorf("%s differs from itself: %s", finding.What, finding.Detail)
			}
		}
		if _, err := json.Marshal(p.Record); err != nil {
			t.Errorf("the record cannot be written: %v", err)
		}
	})
}
