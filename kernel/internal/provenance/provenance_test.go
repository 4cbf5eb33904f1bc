package provenance

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tokenfuse/kernel/internal/nbformat"
)

func parse(t *testing.T, text string) *nbformat.Notebook {
	t.Helper()
	n, err := nbformat.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const small = `{"nbformat": 4, "nbformat_minor": 5, "metadata": {"tokenfuse": {"short_parameters": {"r": 1}}}, "cells": [
	{"id": "p", "cell_type": "code", "metadata": {"tags": ["parameters"]}, "outputs": [], "execution_count": 1, "source": "var r, seed = 8, 1"},
	{"id": "i", "cell_type": "code", "metadata": {"tags": ["injected-parameters"]}, "outputs": [], "execution_count": 2, "source": "var r int = 16"},
	{"id": "c", "cell_type": "code", "metadata": {}, "execution_count": 3, "source": "", "outputs": [
		{"output_type": "display_data", "metadata": {}, "data": {"text/plain": "x", "application/vnd.tokenfuse.rows": "{\"seed\":2}\n{\"seed\":0}\n{\"seed\":2}\n{\"step\":1}\n"}}]}]}`

// The record survives, and is taken out again without a trace.
func TestSetGetStrip(t *testing.T) {
	n := parse(t, small)
	before, err := n.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	want := Provenance{Format: 1, Commit: "c0ffee", Modules: map[string]string{"a": "v1"}}
	if err := Set(n, want, Durations{Total: 2}); err != nil {
		t.Fatal(err)
	}
	n.Cells = append(n.Cells, &nbformat.Cell{ID: CellID, Kind: nbformat.Markdown})
	got, took, ok := Get(n)
	if diff := cmp.Diff(want, got); diff != "" || !ok || took.Total != 2 {
		t.Errorf("%t, took %v, (-want +got)\n%s", ok, took, diff)
	}
	if err := Strip(n); err != nil {
		t.Fatal(err)
	}
	after, err := n.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
}

func TestParametersAndSeeds(t *testing.T) {
	n := parse(t, small)
	got, err := parameters(n)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Parameter{{"r", "16", true}, {"seed", "1", false}}, got); diff != "" {
		t.Errorf("parameters (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"seed=1", "0, 2 (of rows)"}, seeds(n, got)); diff != "" {
		t.Errorf("seeds (-want +got)\n%s", diff)
	}
}

// What is published into the checkout does not make its tree another one; anything else does.
func TestCommit(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
	}
	write := func(name string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if commit, clean := Commit(t.Context(), dir, ""); commit != "unknown" || clean {
		t.Errorf("no repository: %q, %t", commit, clean)
	}
	git("init", "-q")
	write("a.go")
	git("add", ".")
	git("commit", "-q", "-m", "a")
	check := func(exclude string, want bool) {
		t.Helper()
		if commit, clean := Commit(t.Context(), dir, exclude); len(commit) != 40 || clean != want {
			t.Errorf("without %q: commit %q, clean %t, want %t", exclude, commit, clean, want)
		}
	}
	check("", true)
	write("out/study.ipynb")
	check("", false)
	check(filepath.Join(dir, "out"), true)
	check(dir, false)
	check(t.TempDir(), false)
	write("b.go")
	check(filepath.Join(dir, "out"), false)
}

func TestPrivate(t *testing.T) {
	t.Setenv("HOME", "/home/somebody")
	t.Setenv("A_TOKEN", "hunter2hunter2")
	t.Setenv("SHORT_TOKEN", "1")
	account, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	const notebook = `{"nbformat": 4, "nbformat_minor": 5, "metadata": {"title": "TITLE"}, "cells": [
		{"id": "c", "cell_type": "code", "metadata": {"execution": {"iopub.status.busy": "2024-01-01"}}, "execution_count": 1, "source": "SOURCE", "outputs": [
			{"output_type": "stream", "name": "stdout", "text": "TEXT"},
			{"output_type": "display_data", "metadata": {"alt": "ALT"}, "data": {"text/html": "TEXT", "image/png": "home/somebody"}}]}]}`
	for _, test := range []struct {
		name, source, text string
		alt, title         string
		want               string // of the outputs
		err                string
	}{
		{name: "nothing", source: "x", text: "accuracy 1", want: "accuracy 1"},
		{name: "the home folder in an output", source: "x", text: "read /home/somebody/data/x", want: "read ~/data/x"},
		{name: "a longer name", source: "x", text: "/home/somebodyelse/x", want: "/home/somebodyelse/x"},
		{name: "the checkout", source: "x", text: "/src/fuse/lib/a.go:3", want: "tokenfuse/lib/a.go:3"},
		{name: "where GoNB builds", source: "x", text: "at /tmp/gonb_1a2b3c4d/main.go:3", want: "at gonb/main.go:3"},
		{name: "the home folder in code", source: "/home/somebody/data", text: "", err: "code cell 1 holds your home folder"},
		{name: "the home folder in the words for a picture", source: "x", alt: "/home/somebody/a.png", err: "code cell 1 holds your home folder"},
		{name: "the home folder in the metadata", source: "x", title: "/home/somebody/a", err: "the notebook's metadata hold your home folder"},
		{name: "the user's folder elsewhere", source: "x", text: "read /data/" + account.Username + "/x", err: "code cell 1 holds your user name"},
		{name: "the user's folder, alone", source: "x", text: "/scratch/" + account.Username, err: "code cell 1 holds your user name"},
		{name: "an address that holds the user's name", source: "x", text: "https://" + account.Username + ".org/" + account.Username + "/x, lib/" + account.Username + "/y </" + account.Username + ">",
			want: "https://" + account.Username + ".org/" + account.Username + "/x, lib/" + account.Username + "/y </" + account.Username + ">"},
		{name: "a secret", source: "x", text: "hunter2hunter2", err: "the environment variable A_TOKEN"},
		{name: "a word that is a short secret", source: "x", text: "1", want: "1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := parse(t, strings.NewReplacer("TEXT", test.text, "SOURCE", test.source, "ALT", test.alt, "TITLE", test.title).Replace(notebook))
			private := ThisPrivate("/src/fuse")
			if err := private.Clean(n); err != nil {
				t.Fatal(err)
			}
			err := private.Check(n)
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("error %v, want %q", err, test.err)
			}
			if err != nil {
				return
			}
			html, _ := n.Cells[0].Outputs[1].Data.Text("text/html")
			picture, _ := n.Cells[0].Outputs[1].Data.Text("image/png")
			if got := n.Cells[0].Outputs[0].Text; got != test.want || html != test.want || picture != "home/somebody" {
				t.Errorf("stream %q, HTML %q, picture %q: want %q, and the picture as it was", got, html, picture, test.want)
			}
			if len(n.Cells[0].Metadata) > 0 {
				t.Errorf("times of an earlier run are left: %v", n.Cells[0].Metadata)
			}
		})
	}
}
