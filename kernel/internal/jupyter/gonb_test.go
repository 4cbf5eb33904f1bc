package jupyter_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tokenfuse/kernel/internal/jupyter"
	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/provision/provisiontest"
)

// startGoNB starts the kernel that setup installs, as JupyterLab does.
func startGoNB(t *testing.T) *jupyter.Kernel {
	t.Helper()
	kernel, err := jupyter.Start(t.Context(), provisiontest.GoNB(t), jupyter.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kernel.Close(); err != nil {
			t.Error(err)
		}
	})
	return kernel
}

// execute runs a cell, which must not fail, and returns its outputs as text.
func execute(t *testing.T, kernel *jupyter.Kernel, code string) string {
	t.Helper()
	var recorder jupyter.Recorder
	cell := &nbformat.Cell{Kind: nbformat.Code, Source: code}
	recorder.Begin(cell)
	reply, err := kernel.Execute(t.Context(), code, recorder.Take)
	recorder.End()
	var said strings.Builder
	for _, output := range cell.Outputs {
		text, _ := output.Data.Text("text/plain")
		said.WriteString(output.Text + text)
	}
	if err != nil || reply.Status != "ok" {
		t.Fatalf("%s\n%v, %s, %s", code, err, reply.ErrorValue, &said)
	}
	return said.String()
}

// TestKeepInCells: a value computed in one cell is there in the next, whatever that declares besides, and
// in a kernel started anew; it is computed again when a function that it was computed by is another.
func TestKeepInCells(t *testing.T) {
	t.Setenv("TOKENFUSE_KEEP", filepath.Join(t.TempDir(), "kept"))
	const keep = `notebook.Must(notebook.Keep("answer", []any{6}, func() (int, error) { fmt.Println("computing"); return times(6), nil }))`
	const declared = "import (\n\t\"fmt\"\n\t\"tokenfuse/lib/notebook\"\n)\n\nfunc times(n int) int { return 7 * n }\n"
	kernel := startGoNB(t)
	check := func(name, code, want string) {
		t.Helper()
		if got := execute(t, kernel, code); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	check("first", declared+"\n%%\nanswer := "+keep+"\nfmt.Println(answer)\n", "computing\n42\n")
	check("the next cell", "import \"strings\"\n\nfunc other() string { return strings.Repeat(\"a\", 3) }\n\n%%\nfmt.Println(other(), "+keep+")", "aaa 42\n")
	check("declared", "var answer = "+keep+"\n\n%%\nfmt.Println(answer + 1)", "43\n")
	kernel = startGoNB(t)
	check("a kernel started anew", declared+"\n%%\nfmt.Println("+keep+")", "42\n")
	check("another function", "func times(n int) int { return 8 * n }\n\n%%\nfmt.Println("+keep+")", "computing\n48\n")
}

// ask repeats a request until the reply is as wanted, since gopls first reads the modules through.
func ask(t *testing.T, kernel *jupyter.Kernel, kind string, content any, wanted func(reply string) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 4*time.Minute, errors.New("gopls does not answer"))
	defer cancel()
	var reply json.RawMessage
	for ctx.Err() == nil {
		var err error
		if reply, err = kernel.Ask(ctx, kind, content); err == nil && wanted(string(reply)) {
			return
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	t.Errorf("%s: %v; last reply %.500s", kind, context.Cause(ctx), reply)
}

// TestComforts: long work leaves one line; in a cell the library's names complete, and its documentation is there on hover.
func TestComforts(t *testing.T) {
	kernel := startGoNB(t)
	said := execute(t, kernel, `import (
	"fmt"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/notebook"
)

%%
report := notebook.Progress("classifying")
for i := range 5000 {
	report(i+1, 5000)
}
notebook.Show(fmt.Sprintf("%T", fusion.None{}))
`)
	if want := "classifying: 5000 of 5000fusion.None"; said != want {
		t.Errorf("long work left %q in the output, want one line, %q", said, want)
	}
	for name, c := range map[string]struct{ before, after, match string }{ // brackets as JupyterLab closes them
		"a method":         {"%%\nm := fusion.MCT", "", "MCTF"},
		"a field":          {"%%\nnotebook.Show(fusion.MCTF{Pool", "})\n", "Pooling"},
		"a function":       {"%%\nnotebook.Ke", "", "Keep"},
		"a declared value": {"%%\nnotebook.Show(fusion.PoolAtt", ")\n", "PoolAttention"},
	} {
		t.Run("complete "+name, func(t *testing.T) {
			ask(t, kernel, "complete_request", map[string]any{"code": c.before + c.after, "cursor_pos": len(c.before)}, func(reply string) bool {
				var content struct{ Matches []string }
				return json.Unmarshal([]byte(reply), &content) == nil && slices.ContainsFunc(content.Matches, func(match string) bool { return strings.Contains(match, c.match) })
			})
		})
	}
	for name, c := range map[string]struct{ before, after, want string }{
		"a method":   {"%%\nm := fusion.MC", "TF{R: 4}\nnotebook.Show(m)\n", "one-step-ahead attention"},
		"a function": {"%%\nnotebook.Sh", "ow(1)\n", "Show shows values in order"},
		"a field":    {"%%\nm := fusion.MCTF{Poo", "ling: fusion.PoolSize}\nnotebook.Show(m)\n", "Pooling of the tokens that fuse"},
	} {
		t.Run("hover "+name, func(t *testing.T) {
			ask(t, kernel, "inspect_request", map[string]any{"code": c.before + c.after, "cursor_pos": len(c.before), "detail_level": 0}, func(reply string) bool {
				return strings.Contains(reply, c.want)
			})
		})
	}
}
