package index

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/provenance"
)

const study = `{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
	{"id": "t", "cell_type": "markdown", "metadata": {}, "source": "# Fusion & <more>\n\n![a picture](a.png)\n\n**How much** can go? As much as $r^{1/\\\\tau}$ says. See [the paper](https://arxiv.org)."},
	{"id": "a", "cell_type": "code", "metadata": {"tags": TAGS}, "execution_count": 1, "source": "", "outputs": [
		{"output_type": "display_data", "metadata": {"alt": "first \"curve\""}, "data": {"image/png": "Zmlyc3Q=\n", "text/plain": "x"}},
		{"output_type": "display_data", "metadata": {}, "data": {"text/html": "<table class=\"a\"><tr><td style=\"text-align: left\">tome</td></tr></table>", "text/plain": "x"}}]},
	{"id": "b", "cell_type": "code", "metadata": {}, "execution_count": 2, "source": "", "outputs": [
		{"output_type": "display_data", "metadata": {"alt": "second"}, "data": {"image/png": "c2Vjb25k", "text/plain": "x"}},
		{"output_type": "display_data", "metadata": {}, "data": {"text/html": "<table><tr><td>mctf</td></tr></table>", "text/plain": "x"}},
		{"output_type": "display_data", "metadata": {}, "data": {"text/html": "<table><tr><td onclick=\"x()\">no</td></tr></table>", "text/plain": "x"}},
		{"output_type": "display_data", "metadata": {}, "data": {"text/html": "<table><tr><td><img src=\"https://example.org/a\"></td></tr></table>", "text/plain": "x"}}]}]}`

func write(t *testing.T, path, text string, published bool) {
	t.Helper()
	n, err := nbformat.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if published {
		record := provenance.Provenance{Format: 1, Notebook: "notebooks/a.ipynb", Commit: "0123456789abcdef", Backends: []string{"XLA CPU"},
			Processor: "AMD EPYC", Cores: 2, System: "linux/amd64", Parameters: []provenance.Parameter{{Name: "r", Value: "8", Given: true}, {Name: "tau", Value: "1"}}, Figures: []string{"a-data/cell-01.jsonl"}}
		if err := provenance.Set(n, record, provenance.Durations{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := nbformat.Write(path, n); err != nil {
		t.Fatal(err)
	}
}

func TestPage(t *testing.T) {
	for name, c := range map[string]struct{ tags, picture, alt, table string }{
		"the last picture and table": {`[]`, "c2Vjb25k", "second", "<td>mctf</td>"},
		"those of the headline":      {`["headline"]`, "Zmlyc3Q=", "first &#34;curve&#34;", `<td style="text-align: left">tome</td>`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "[a]*")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "a study.ipynb"), strings.Replace(study, "TAGS", c.tags, 1), true)
			write(t, filepath.Join(dir, "draft.ipynb"), strings.Replace(study, "TAGS", c.tags, 1), false)
			entries, err := Read(dir)
			if err != nil {
				t.Fatal(err)
			}
			content, err := Page(entries)
			if err != nil {
				t.Fatal(err)
			}
			made := string(content)
			for _, want := range []string{
				`<html lang="en">`, `<h2><a href="a%20study.html">Fusion &amp; &lt;more&gt;</a></h2>`, "<p>How much can go? See the paper.</p>",
				`<img src="data:image/png;base64,` + c.picture + `" alt="` + c.alt + `">`, c.table,
				"notebooks/a.ipynb at commit <code>0123456789ab</code> with changes, r = 8, XLA CPU, AMD EPYC, 2 cores, linux/amd64", `href="a-data/cell-01.jsonl"`,
			} {
				if !strings.Contains(made, want) {
					t.Errorf("no %s in\n%s", want, made)
				}
			}
			for _, not := range []string{"draft", "https://", "onclick", "<script", "<link"} {
				if strings.Contains(made, not) {
					t.Errorf("%s is in the page", not)
				}
			}
		})
	}
}

// TestReadMix: a notebook beside a page that is not its own, as a killed publish may leave, is not listed.
func TestReadMix(t *testing.T) {
	dir := t.TempDir()
	path, page := filepath.Join(dir, "a.ipynb"), filepath.Join(dir, "a.html")
	write(t, path, strings.Replace(study, "TAGS", `[]`, 1), true)
	n, err := nbformat.Read(path)
	if err == nil {
		err = os.WriteFile(page, []byte("<html></html>"), 0o600)
	}
	if err == nil {
		err = provenance.SetFiles(n, dir, []string{"a.html"})
	}
	if err == nil {
		err = nbformat.Write(path, n)
	}
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := Read(dir); err != nil || len(entries) != 1 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	if err := os.WriteFile(page, []byte("<html>another</html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "a.ipynb: a.html is not the one published with the notebook") || failure.Code(err) != failure.CodeWork {
		t.Errorf("another page: %v", err)
	}
	if err := os.Remove(page); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "a.html is not there") {
		t.Errorf("no page: %v", err)
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "holds no published notebook") {
		t.Errorf("an empty folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.ipynb"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "a.ipynb: not a notebook") {
		t.Errorf("a damaged notebook: %v", err)
	}
}
