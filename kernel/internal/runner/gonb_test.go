package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/jupyter"
	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/provision/provisiontest"
)

// gonb returns the spec of the kernel that setup installs, with a temporary folder of the test's own
// which is checked at its end: nothing may be left there, and no process that had it.
func gonb(t *testing.T) jupyter.Spec {
	t.Helper()
	spec := provisiontest.GoNB(t)
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	t.Cleanup(func() {
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
			t.Errorf("left in the temporary folder: %v, %v", left, err)
		}
		if running := carrying(folder); len(running) > 0 {
			t.Errorf("left running: %q", running)
		}
	})
	return spec
}

// carrying returns, on Linux, the command lines of the processes that belong to a kernel whose folder
// lies in this one.
func carrying(folder string) []string {
	var commands []string
	environments, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environments {
		environment, err := os.ReadFile(path)
		if err == nil && bytes.Contains(environment, []byte("TOKENFUSE_RUN="+folder)) {
			command, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			commands = append(commands, strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return commands
}

// run executes a notebook of testdata into a folder of its own.
func run(t *testing.T, ctx context.Context, name string, settings []string, opts Options) (*nbformat.Notebook, error) {
	t.Helper()
	output := filepath.Join(t.TempDir(), name+".ipynb")
	jobs, err := Plan([]string{filepath.Join("testdata", name+".ipynb")}, output, settings)
	if err != nil {
		t.Fatal(err)
	}
	err = jobs[0].Run(ctx, opts)
	notebook, readErr := nbformat.Read(output)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return notebook, err
}

// summary writes what each code cell gave: its number and its streams, or the kinds of its outputs.
func summary(n *nbformat.Notebook) []string {
	var list []string
	for _, cell := range n.Cells {
		if cell.Kind != nbformat.Code {
			continue
		}
		parts := []string{"-"}
		if cell.ExecutionCount != nil {
			parts[0] = string(rune('0' + *cell.ExecutionCount))
		}
		for _, output := range cell.Outputs {
			switch output.Kind {
			case nbformat.Stream:
				parts = append(parts, output.Name+" "+strings.TrimSpace(output.Text))
			default:
				kinds := slices.Sorted(func(yield func(string) bool) {
					for mime := range output.Data {
						if !yield(mime) {
							return
						}
					}
				})
				parts = append(parts, strings.TrimSpace(output.Kind+" "+strings.Join(kinds, " ")))
			}
		}
		list = append(list, strings.Join(parts, ": "))
	}
	return list
}

func TestRun(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings []string
		opts     Options
		err      string   // of the error behind "testdata/name.ipynb: "
		want     []string // a summary; "…" stands for what GoNB adds to an error
	}{
		{name: "succeeds", want: []string{"1: stdout one", "2", "-", "3: stdout 2"}},
		{name: "unicode", want: []string{"1: stdout Größe 融合 🔥 <b>&</b>"}},
		{name: "tagged", want: []string{"1: stderr panic: expected…", "-", "2: stdout reached"}},
		{name: "parameters", want: []string{"1", "2: stdout 8 deit [1] 1"}},
		{
			name: "parameters", settings: []string{"r=16", `model=a "b"`, "rs=1,2", "tau=20"},
			want: []string{"1", "2", "3: stdout 16 a \"b\" [1 2] 20"},
		},
		{name: "leaves-a-process", want: []string{"1", "2: stdout done"}},
		{
			name: "displays",
			want: []string{"1", "2: stdout text", "3: display_data text/html: display_data text/markdown: display_data image/png", "4: display_data text/html", "5: display_data text/html: error", "6: stderr exit status 2: error"},
		},
		{
			name: "panics", err: "cell 2 (line 3): panic: boom",
			want: []string{"1: stdout before", "2: stdout partial: stderr panic: boom…", "-"},
		},
		{
			name: "panics", opts: Options{KeepGoing: true}, err: "1 of 3 cells failed",
			want: []string{"1: stdout before", "2: stdout partial: stderr panic: boom…", "3: stdout after"},
		},
		{
			name: "panics-in-another-cell", err: "cell 2 (cell 1, line 2): panic: runtime error: integer divide by zero",
			want: []string{"1", "2: stderr panic: runtime error…"},
		},
		{name: "does-not-compile", err: "cell 2 (line 3): undefined: undefinedName", want: []string{"1: stdout before", "2: display_data text/html: error"}},
		{name: "exits", err: "cell 1: no such model", want: []string{"1: stderr no such model…"}},
		{
			name: "hangs", opts: Options{Timeout: 5 * time.Second}, err: "cell 1: took longer than 5s and was interrupted: raise --timeout",
			want: []string{"1: stdout started: stderr signal: interrupt: error", "-"},
		},
		{
			name: "hangs", opts: Options{Timeout: 5 * time.Second, KeepGoing: true}, err: "1 of 2 cells failed",
			want: []string{"1: stdout started: stderr signal: interrupt: error", "2: stdout next"},
		},
		{
			name: "ignores-interrupt", opts: Options{Timeout: 5 * time.Second, KeepGoing: true}, err: "1 of 2 cells failed",
			want: []string{"1: stdout started", "-"},
		},
		{
			name: "kills-its-kernel", err: `cell 1: the kernel died (signal: killed); the cell's last output: "last"`,
			want: []string{"1: stdout last"},
		},
	} {
		t.Run(strings.Join(append([]string{test.name}, test.settings...), " "), func(t *testing.T) {
			opts := test.opts
			opts.Spec, opts.Name = gonb(t), "tokenfuse"
			notebook, err := run(t, t.Context(), test.name, test.settings, opts)
			switch {
			case test.err == "" && err != nil:
				t.Errorf("error %v", err)
			case test.err != "" && (err == nil || err.Error() != "testdata/"+test.name+".ipynb: "+test.err):
				t.Errorf("error\n%v\nwant the file and\n%s", err, test.err)
			case test.err != "" && failure.Code(err) != failure.CodeWork:
				t.Errorf("exit code %d", failure.Code(err))
			}
			got := summary(notebook)
			for i := range min(len(got), len(test.want)) {
				if beginning, ok := strings.CutSuffix(test.want[i], "…"); ok && strings.HasPrefix(got[i], beginning) {
					got[i] = test.want[i]
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("outputs (-want +got)\n%s", diff)
			}
		})
	}
}

func TestManyStreamsAreJoined(t *testing.T) {
	notebook, err := run(t, t.Context(), "many-streams", nil, Options{Spec: gonb(t), Name: "tokenfuse"})
	if err != nil {
		t.Fatal(err)
	}
	outputs := notebook.Cells[0].Outputs
	if len(outputs) != 1 || strings.Count(outputs[0].Text, "\n") != 300 || !strings.HasSuffix(outputs[0].Text, "out 299\n") {
		t.Errorf("%d outputs, want one of 300 lines", len(outputs))
	}
}

func TestRunIsRepeatable(t *testing.T) {
	opts := Options{Spec: gonb(t), Name: "tokenfuse"}
	var texts [2][]byte
	for i := range texts {
		notebook, err := run(t, t.Context(), "displays", nil, Options{Spec: opts.Spec, Name: opts.Name})
		if err != nil {
			t.Fatal(err)
		}
		if texts[i], err = notebook.Bytes(); err != nil {
			t.Fatal(err)
		}
		texts[i] = folders.ReplaceAll(texts[i], []byte("FOLDER"))
	}
	if diff := cmp.Diff(string(texts[0]), string(texts[1])); diff != "" {
		t.Errorf("(-first +second)\n%s", diff)
	}
}

func TestCancelledRunKeepsWhatWasDone(t *testing.T) {
	spec := gonb(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	progress := NewProgress(writerFunc(func(text string) {
		if strings.Contains(text, "[1/3]") {
			cancel() // between the first cell and the second
		}
	}))
	notebook, err := run(t, ctx, "succeeds", nil, Options{Spec: spec, Name: "tokenfuse", Progress: progress})
	if failure.Code(err) != failure.CodeInterrupted {
		t.Errorf("error %v with code %d, want 130", err, failure.Code(err))
	}
	if got := summary(notebook); got[0] != "1: stdout one" || got[3] != "-" {
		t.Errorf("outputs %q", got)
	}
}

type writerFunc func(text string)

func (f writerFunc) Write(data []byte) (int, error) {
	f(string(data))
	return len(data), nil
}

// folders matches what differs from run to run: where GoNB built the cell.
var folders = regexp.MustCompile(`[^\s"<>]*gonb_[0-9a-f]+`)

// quickstart is the notebook that the comparison with nbclient also runs.
const quickstart = "../../../notebooks/01-quickstart.ipynb"

func TestSameOutputsAsNBClient(t *testing.T) {
	spec := gonb(t)
	python := provisiontest.Python(t, "nbclient")
	// nbclient finds the same kernel in a Jupyter folder of the test's own.
	data := t.TempDir()
	if err := spec.WriteFile(filepath.Join(data, "kernels", "tokenfuse")); err != nil {
		t.Fatal(err)
	}
	for path, settings := range map[string][]string{
		"testdata/displays.ipynb":     nil,
		"testdata/many-streams.ipynb": nil,
		quickstart:                    {"images=250", "rs=2"},
	} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			jobs, err := Plan([]string{path}, filepath.Join(t.TempDir(), "ours.ipynb"), settings)
			if err != nil {
				t.Fatal(err)
			}
			if settings != nil { // both run the notebook with its parameters set
				path = filepath.Join(t.TempDir(), filepath.Base(path))
				if err := nbformat.Write(path, jobs[0].Notebook); err != nil {
					t.Fatal(err)
				}
			}
			if err := jobs[0].Run(t.Context(), Options{Spec: spec, Name: "tokenfuse"}); err != nil {
				t.Fatal(err)
			}
			theirs, err := nbformat.Parse(runNBClient(t, python, data, path))
			if err != nil {
				t.Fatal(err)
			}
			for i, cell := range jobs[0].Notebook.Cells {
				if diff := cmp.Diff(shown(t, theirs.Cells[i]), shown(t, cell)); diff != "" {
					t.Errorf("cell %q (-nbclient +ours)\n%s", cell.ID, diff)
				}
			}
		})
	}
}

// shown writes a cell as JSON, without what differs from run to run and from client to client:
// nbclient records times, and keeps each message of a stream an output of its own.
func shown(t *testing.T, cell *nbformat.Cell) string {
	t.Helper()
	delete(cell.Metadata, "execution")
	var outputs []*nbformat.Output
	for _, output := range cell.Outputs {
		if n := len(outputs); n > 0 && output.Kind == nbformat.Stream && outputs[n-1].Kind == output.Kind && outputs[n-1].Name == output.Name {
			outputs[n-1].Text += output.Text
			continue
		}
		outputs = append(outputs, output)
	}
	cell.Outputs = outputs
	text, err := json.MarshalIndent(cell, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return folders.ReplaceAllString(string(text), "FOLDER")
}
