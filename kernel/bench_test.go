package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tokenfuse/lib/result"
)

const tinyModel = `{"image_size":32,"patch_size":4,"dim":24,"depth":4,"heads":3,"classes":5}`

// TestBench runs the command on a small model, with all that it can measure: the rows are complete, in
// order, the same in the file, and the table of the file is the table that was printed.
func TestBench(t *testing.T) {
	dir := t.TempDir()
	model, out := filepath.Join(dir, "tiny.json"), filepath.Join(dir, "rows.jsonl")
	must(t, os.WriteFile(model, []byte(tinyModel), 0o600))
	got := kernel(t, []string{"GOMLX_BACKEND=go"}, "bench", "--model", model, "--fusion", "mctf:r=8", "--batch", "1,2",
		"--cut", "--memory", "--compile", "--warmup", "1", "--repetitions", "2", "--output", out,
		"--external", "script=echo batch {batch}; echo ready; while read -r line; do echo done; done")
	if got.code != 0 {
		t.Fatalf("exit %d: %s", got.code, got.stderr)
	}
	rows, err := result.ReadFile(out)
	must(t, err)
	var what []string
	for _, r := range rows {
		what = append(what, fmt.Sprintf("%d %s", r.Batch, orElse(r.Label, r.Method)))
		if r.Model != "tiny" || r.Repetitions != 2 || !(r.MillisecondsPerBatch > 0) || !(r.Speedup > 0) || r.Cores < 1 {
			t.Errorf("%+v", r)
		}
		if own := r.Method != "external"; own != (r.GoMLX != "" || r.Commit != "") || own != (r.StartSeconds > 0) || own != (r.GMACsShare > 0) {
			t.Errorf("%+v", r)
		}
	}
	if want := []string{"1 none", "1 mctf:r=8", "1 cut as mctf:r=8", "1 script", "2 none", "2 mctf:r=8", "2 cut as mctf:r=8", "2 script"}; !slices.Equal(what, want) {
		t.Errorf("rows %q, want %q", what, want)
	}
	lines, err := os.ReadFile(out)
	must(t, err)
	if bytes.Contains(lines, []byte(dir)) {
		t.Errorf("the rows name folders of this machine:\n%s", lines)
	}
	if shown := kernel(t, nil, "bench", "--show", out); shown.code != 0 || shown.stdout != got.stdout || !strings.Contains(got.stdout, "cut as mctf:r=8") {
		t.Errorf("measured:\n%s\nshown:\n%s", got.stdout, shown.stdout)
	}
	figure := filepath.Join(t.TempDir(), "scale.png")
	if shown := kernel(t, nil, "bench", "--show", out, "--figure", figure); shown.code != 0 {
		t.Errorf("exit %d: %s", shown.code, shown.stderr)
	}
	if info, err := os.Stat(figure); err != nil || info.Size() == 0 {
		t.Errorf("no figure was drawn: %v", err)
	}
	if shown := kernel(t, nil, "bench", "--show", out, "--json"); shown.stdout != string(lines) {
		t.Errorf("as JSON Lines:\n%s\nwant\n%s", shown.stdout, lines)
	}
}

// TestBenchChosen: the same on the backend that is chosen without being told, with a process of the
// case's own.
func TestBenchChosen(t *testing.T) {
	model := filepath.Join(t.TempDir(), "tiny.json")
	must(t, os.WriteFile(model, []byte(`{"image_size":8,"patch_size":4,"dim":6,"depth":1,"heads":1,"classes":2}`), 0o600))
	got := kernel(t, nil, "bench", "--model", model, "--fusion", "none", "--batch", "2", "--memory", "--warmup", "0", "--repetitions", "1", "--json")
	if got.code != 0 {
		t.Fatalf("exit %d: %s", got.code, got.stderr)
	}
	rows := 0
	for r, err := range result.Read(strings.NewReader(got.stdout)) {
		must(t, err)
		rows++
		if !(r.ImagesPerSecond > 0) || !(r.StartSeconds > 0) || strings.HasPrefix(r.Backend, "XLA") != (r.Plugin != "") {
			t.Errorf("%+v", r)
		}
	}
	if rows != 1 {
		t.Errorf("%d rows, want 1", rows)
	}
}

// TestBenchRefuses: bad usage is exit 2, a program that fails exit 1, in one line behind the progress;
// neither leaves a file.
func TestBenchRefuses(t *testing.T) {
	dir := t.TempDir()
	model, out := filepath.Join(dir, "tiny.json"), filepath.Join(dir, "rows.jsonl")
	must(t, os.WriteFile(model, []byte(tinyModel), 0o600))
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"layer too high":   {[]string{"--fusion", "mctf:r=4,layers=4"}, 2, "layer 4 of a model with 4 layers"},
		"no images":        {[]string{"--batch", "0"}, 2, "a batch of 0 images"},
		"no repetitions":   {[]string{"--repetitions", "0"}, 2, "--repetitions is 0"},
		"image size":       {[]string{"--image-size", "33"}, 2, "images of 33x33 do not divide into patches of 4"},
		"dtype":            {[]string{"--dtype", "half"}, 2, `unknown dtype "half": known are float32, bfloat16, float16`},
		"output":           {[]string{"--output", filepath.Join(dir, "gone", "rows")}, 2, "cannot be written"},
		"no such rows":     {[]string{"--show", filepath.Join(dir, "gone")}, 2, "gone"},
		"external no name": {[]string{"--external", "=x"}, 2, `--external is "=x", want NAME=COMMAND`},
		"external batches": {[]string{"--batch", "1,2", "--external", "x=y"}, 2, "--external x runs 2 times: its command must take {batch}"},
		"external dies":    {[]string{"--external", "x=echo ready; read -r line; echo no memory >&2; exit 3"}, 1, `external x ended before "done": exit status 3: no memory`},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"bench", "--model", model, "--fusion", "none", "--warmup", "0", "--repetitions", "1", "--output", out}, c.args...)
			got := kernel(t, []string{"GOMLX_BACKEND=go"}, args...)
			lines := strings.Split(strings.TrimSpace(got.stderr), "\n")
			lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "bench: ") })
			if got.code != c.code || len(lines) != 1 || !strings.Contains(lines[0], c.want) || got.stdout != "" {
				t.Errorf("exit %d, %q, want %d and %q", got.code, got.stderr, c.code, c.want)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("files were left: %v", entries)
			}
		})
	}
}

// TestBenchInterrupted: an interrupt ends it with 130, and leaves no file.
func TestBenchInterrupted(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join(dir, "tiny.json")
	must(t, os.WriteFile(model, []byte(tinyModel), 0o600))
	cmd := exec.CommandContext(t.Context(), os.Args[0], "bench", "--model", model, "--fusion", "tome", "--repetitions", "1000000", "--output", filepath.Join(dir, "rows.jsonl"))
	cmd.Env = append(os.Environ(), "TOKENFUSE_TEST_COMMAND=1", "GOMLX_BACKEND=go")
	progress := &interruptAt{text: "repetition 2 of", cmd: cmd}
	cmd.Stderr = progress
	err := cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.HasSuffix(progress.seen.String(), "kernel: interrupted\n") {
		t.Errorf("exit %d, %v: %s", code, err, progress.seen.String())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("files were left: %v", entries)
	}
}

// interruptAt interrupts a command once it has said a text.
type interruptAt struct {
	text string
	cmd  *exec.Cmd
	seen bytes.Buffer
	sent bool
}

func (w *interruptAt) Write(p []byte) (int, error) {
	w.seen.Write(p)
	if !w.sent && strings.Contains(w.seen.String(), w.text) {
		w.sent = true
		_ = w.cmd.Process.Signal(syscall.SIGINT) // a process that has ended fails the test below
	}
	return len(p), nil
}
