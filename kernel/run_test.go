package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/provision/provisiontest"
)

const runNotebookDir = "internal/runner/testdata"

func TestRunRefuses(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text.ipynb")
	if err := os.WriteFile(text, []byte("no JSON"), 0o600); err != nil {
		t.Fatal(err)
	}
	succeeds := filepath.Join(runNotebookDir, "succeeds.ipynb")
	parameters := filepath.Join(runNotebookDir, "parameters.ipynb")
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"no notebook", nil, "no notebook given"},
		{"absent notebook", []string{"absent.ipynb"}, "absent.ipynb: cannot be read: no such file or directory"},
		{"not a notebook", []string{text}, text + ": not a notebook: not JSON"},
		{"unknown parameter", []string{"-p", "R=8", parameters}, `unknown parameter "R"; the parameters are: r int (default 8)`},
		{"wrong type", []string{"-p", "r=x", parameters}, `parameter r wants an int, not "x"; the parameters are: r int (default 8)`},
		{"missing parameter", []string{"-p", "r=8", succeeds}, "the notebook has none"},
		{"unwritable folder", []string{"-o", "/proc/out.ipynb", succeeds}, `output folder "/proc" cannot be written`},
		{"timeout", []string{"--timeout", "soon", succeeds}, `"soon"`},
		{"negative timeout", []string{"--timeout", "-1s", succeeds}, `--timeout "-1s" is negative`},
		{"output without a number", []string{"--max-output", "much", succeeds}, "want a number of bytes, such as 500KiB, 64MiB or 1GiB"},
		{"unknown flag", []string{"--fast", succeeds}, "--fast"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := kernel(t, nil, append([]string{"run"}, test.args...)...)
			if got.code != 2 || got.stdout != "" || !strings.Contains(got.stderr, test.want) || strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("exit %d, stdout %q, stderr %q: want 2 and one line with %q", got.code, got.stdout, got.stderr, test.want)
			}
		})
	}
}

// A run that is told to stop writes what it has, leaves nothing behind and exits with 130.
func TestRunInterrupted(t *testing.T) {
	provisiontest.GoNB(t)
	heedHangup(t)
	for _, sent := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sent.String(), func(t *testing.T) {
			temporary, output := t.TempDir(), filepath.Join(t.TempDir(), "out.ipynb")
			command := exec.CommandContext(t.Context(), os.Args[0], "run", "-o", output, filepath.Join(runNotebookDir, "hangs.ipynb"))
			command.Env = append(os.Environ(), "TOKENFUSE_TEST_COMMAND=1", "TMPDIR="+temporary)
			var stderr bytes.Buffer
			command.Stderr = &stderr
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			waitForCell(t, temporary)
			if err := command.Process.Signal(sent); err != nil {
				t.Fatal(err)
			}
			_ = command.Wait() // the exit code says it
			if code := command.ProcessState.ExitCode(); code != 130 || !strings.Contains(stderr.String(), "interrupted") {
				t.Errorf("exit %d, want 130; stderr:\n%s", code, stderr.String())
			}
			notebook, err := nbformat.Read(output)
			if err != nil {
				t.Fatal(err)
			}
			if outputs := notebook.Cells[0].Outputs; len(outputs) == 0 || outputs[0].Text != "started\n" {
				t.Errorf("the partial output is lost: %v", outputs)
			}
			if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
				t.Errorf("left in the temporary folder: %v, %v", left, err)
			}
		})
	}
}

// waitForCell waits until GoNB runs the cell's program, which it builds in the temporary folder, and
// the program has had time to print.
func waitForCell(t *testing.T, temporary string) {
	t.Helper()
	limit := time.After(2 * time.Minute)
	for {
		programs, err := filepath.Glob(filepath.Join(temporary, "tokenfuse-run-*", "tmp", "gonb_pipe_*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(programs) > 0 {
			time.Sleep(2 * time.Second)
			return
		}
		select {
		case <-limit:
			t.Fatal("the cell did not start")
		case <-time.After(50 * time.Millisecond):
		}
	}
}
