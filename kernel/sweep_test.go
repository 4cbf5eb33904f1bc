package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tokenfuse/lib/result"
)

// sweepGrid is a grid of 14 cells, of which two fail: ToMe cannot bring the model to 1% of its cost.
func sweepGrid(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	model, grid := filepath.Join(dir, "tiny.json"), filepath.Join(dir, "grid.json")
	must(t, os.WriteFile(model, []byte(`{"image_size":16,"patch_size":4,"dim":12,"depth":3,"heads":3,"mlp_ratio":2,"classes":4}`), 0o600))
	must(t, os.WriteFile(grid, fmt.Appendf(nil, `{"models":[{"model":%q,"weights":"untrained"}],
		"methods":["none",{"fusion":"tome","vary":{"r":[1,2]}},"mctf:r=2",{"fusion":"tome","targets":["80%%","1%%"]},"random-drop"],
		"data":[{"dataset":"shapes","images":60,"size":16,"seed":1}],"seeds":[0,1]}`, model), 0o600))
	return grid
}

const cellsOfSweepGrid, failuresOfSweepGrid = 14, 2

var plainGo = []string{"GOMLX_BACKEND=go"}

// without says what rows are without what differs from run to run: by key, in JSON.
func without(t *testing.T, rows []result.Row) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, r := range rows {
		r.Seconds = 0
		text, err := json.Marshal(r)
		must(t, err)
		if all[r.Key] != "" {
			t.Errorf("%s is there twice", r.Key)
		}
		all[r.Key] = string(text)
	}
	return all
}

// TestSweepShards: three processes as three shards, one of them killed in the middle of a line and
// started again, end in the same store as one process.
func TestSweepShards(t *testing.T) {
	grid, dir := sweepGrid(t), t.TempDir()
	one, folder, merged := filepath.Join(dir, "one.jsonl"), filepath.Join(dir, "shards"), filepath.Join(dir, "merged.jsonl")
	if got := kernel(t, plainGo, "sweep", grid, "--store", one); got.code != 1 || !strings.Contains(got.stderr, "kernel: 2 of 14 cells failed") {
		t.Fatalf("exit %d: %s", got.code, got.stderr)
	}
	if got := kernel(t, plainGo, "sweep", grid, "--store", one); got.code != 0 || !strings.Contains(got.stderr, "14 had a row, 0 done now") {
		t.Errorf("again: exit %d: %s", got.code, got.stderr)
	}
	want, err := result.ReadFile(one)
	must(t, err)

	var wait sync.WaitGroup
	for shard, env := range []string{"JOB_COMPLETION_INDEX=0", "SLURM_ARRAY_TASK_ID=3"} {
		wait.Go(func() {
			env := append([]string{env, "TOKENFUSE_SHARDS=3", "SLURM_ARRAY_TASK_COUNT=3", "SLURM_ARRAY_TASK_MIN=2"}, plainGo...)
			if got := kernel(t, env, "sweep", grid, "--store", folder); got.code > 1 {
				t.Errorf("shard %d: exit %d: %s", shard, got.code, got.stderr)
			}
		})
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "sweep", grid, "--store", folder, "--shard", "2/3")
	cmd.Env = append(append(os.Environ(), "TOKENFUSE_TEST_COMMAND=1"), plainGo...)
	cmd.Stderr = &killAt{text: "1 of 4: ", cmd: cmd}
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the third shard was not killed: %v", err)
	}
	wait.Wait()
	killed := filepath.Join(folder, "rows-2-of-3.jsonl")
	lines, err := os.ReadFile(killed)
	must(t, err)
	if n := bytes.Count(lines, []byte("\n")); n == 0 || n > 3 {
		t.Fatalf("the killed shard has done %d of 4", n)
	}
	must(t, os.WriteFile(killed, append(lines, lines[:len(lines)/3]...), 0o600))

	got := kernel(t, nil, "sweep", "merge", folder)
	if got.code != 1 || !strings.Contains(got.stdout, "missing: ") || !strings.Contains(got.stderr, "start its workers again") {
		t.Errorf("merge with cells missing: exit %d: %s%s", got.code, got.stdout, got.stderr)
	}
	if got := kernel(t, plainGo, "sweep", grid, "--store", folder, "--shard", "2/3"); got.code > 1 {
		t.Errorf("started again: exit %d: %s", got.code, got.stderr)
	}
	got = kernel(t, nil, "sweep", "merge", folder, "--output", merged)
	if summary := "14 rows (2 failures), 0 missing, 0 done more than once, 0 of other grids left out\n"; got.code != 0 || got.stdout != summary {
		t.Errorf("merge: exit %d: %s%s", got.code, got.stdout, got.stderr)
	}
	rows, err := result.ReadFile(merged)
	must(t, err)
	expected, found := without(t, want), without(t, rows)
	if len(expected) != cellsOfSweepGrid || len(found) != cellsOfSweepGrid {
		t.Fatalf("%d rows of one process, %d of three", len(expected), len(found))
	}
	failed := 0
	for i, r := range rows {
		if expected[r.Key] != found[r.Key] {
			t.Errorf("one process: %s\nthree shards: %s", expected[r.Key], found[r.Key])
		}
		if r.Key != want[i].Key {
			t.Errorf("row %d is another than that of one process", i)
		}
		if r.Failed() {
			failed++
		}
	}
	if failed != failuresOfSweepGrid {
		t.Errorf("%d failures", failed)
	}
}

// killAt kills a command, as kill -9 does, once it has said a text.
type killAt struct {
	text string
	cmd  *exec.Cmd
	seen bytes.Buffer
}

func (w *killAt) Write(p []byte) (int, error) {
	w.seen.Write(p)
	if strings.Contains(w.seen.String(), w.text) {
		_ = w.cmd.Process.Kill() // a process that has ended fails the test
	}
	return len(p), nil
}

// TestSweepTogether: two processes on one store do each cell once, and a third, killed while it worked
// on one, holds nobody up.
func TestSweepTogether(t *testing.T) {
	grid, store := sweepGrid(t), filepath.Join(t.TempDir(), "rows.jsonl")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "sweep", grid, "--store", store)
	cmd.Env = append(append(os.Environ(), "TOKENFUSE_TEST_COMMAND=1"), plainGo...)
	cmd.Stderr = &killAt{text: "1 of 14: ", cmd: cmd}
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("it was not killed: %v", err)
	}
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			if got := kernel(t, plainGo, "sweep", grid, "--store", store); got.code > 1 {
				t.Errorf("exit %d: %s", got.code, got.stderr)
			}
		})
	}
	wait.Wait()
	rows, err := result.ReadFile(store)
	must(t, err)
	if got := without(t, rows); len(got) != cellsOfSweepGrid || len(rows) != cellsOfSweepGrid {
		t.Errorf("%d rows of %d cells", len(rows), len(got))
	}
	shown := kernel(t, nil, "sweep", "show", store, "--markdown")
	if shown.code != 0 || !strings.Contains(shown.stdout, "| base model |") || strings.Count(shown.stderr, "warning: no result") != failuresOfSweepGrid {
		t.Errorf("show: exit %d: %s%s", shown.code, shown.stdout, shown.stderr)
	}
	if shown := kernel(t, nil, "sweep", "show", store, "--markdown", "--grid", grid, "--target", "80%"); shown.code != 0 ||
		!strings.Contains(shown.stdout, "| base model |") || strings.Count(shown.stdout, "tome") != 1 || strings.Contains(shown.stdout, "mctf") {
		t.Errorf("show of a target: exit %d: %s%s", shown.code, shown.stdout, shown.stderr)
	}
	if shown := kernel(t, nil, "sweep", "show", store, "--target", "70%"); shown.code != 2 || !strings.Contains(shown.stderr, "no results at 70%: there are some at 80%") {
		t.Errorf("show of a target without results: exit %d: %s", shown.code, shown.stderr)
	}
	figure := filepath.Join(t.TempDir(), "figure.svg")
	if shown := kernel(t, nil, "sweep", "show", store, "--latex", "--baseline", "tome", "--figure", figure); shown.code != 0 || !strings.Contains(shown.stdout, "\\toprule") {
		t.Errorf("show: exit %d: %s", shown.code, shown.stderr)
	}
	if _, err := os.Stat(figure); err != nil {
		t.Error(err)
	}
}

// TestSweepRefusals: bad usage is exit 2, what the machine lacks 3, in one line.
func TestSweepRefusals(t *testing.T) {
	grid, dir := sweepGrid(t), t.TempDir()
	folder := filepath.Join(dir, "folder")
	lacking := filepath.Join(dir, "lacking.json")
	text, err := os.ReadFile(grid)
	must(t, err)
	must(t, os.WriteFile(lacking, bytes.Replace(text, []byte(`{"dataset":"shapes","images":60,"size":16,"seed":1}`), []byte(`{"dataset":"folder","path":"/gone"}`), 1), 0o600))
	for name, c := range map[string]struct {
		env  []string
		args []string
		code int
		want string
	}{
		"no store":         {nil, []string{"sweep", grid}, 2, "name the store"},
		"no grid":          {nil, []string{"sweep", "--store", folder}, 2, "accepts 1 arg"},
		"grid not there":   {nil, []string{"sweep", filepath.Join(dir, "gone.json"), "--store", folder}, 2, "gone.json"},
		"bad shard":        {nil, []string{"sweep", grid, "--store", folder, "--shard", "4/3"}, 2, `shard is "4/3"`},
		"shards of a file": {nil, []string{"sweep", grid, "--store", filepath.Join(dir, "a.jsonl"), "--shard", "1/3"}, 2, "shards want a folder"},
		"job, no shards":   {[]string{"JOB_COMPLETION_INDEX=1"}, []string{"sweep", grid, "--store", folder}, 2, "TOKENFUSE_SHARDS"},
		"merge of nothing": {nil, []string{"sweep", "merge", dir}, 2, "cells.json"},
		"show of nothing":  {nil, []string{"sweep", "show", filepath.Join(dir, "gone")}, 2, "gone"},
		"submit to nobody": {nil, []string{"sweep", "submit", grid, "--store", "s", "--shards", "2"}, 2, "slurm kubernetes"},
		"submit elsewhere": {nil, []string{"sweep", "submit", grid, "--store", "/else", "--shards", "2", "--kubernetes", "--image", "i", "--claim", "c"}, 2, "not in the shared folder"},
		"data not there":   {plainGo, []string{"sweep", lacking, "--store", filepath.Join(dir, "b.jsonl")}, 3, "cells not done"},
	} {
		got := kernel(t, c.env, c.args...)
		lines := strings.Split(strings.TrimSpace(got.stderr), "\n")
		if got.code != c.code || !strings.Contains(lines[len(lines)-1], c.want) || strings.Contains(lines[0], "\tat ") || got.stdout != "" {
			t.Errorf("%s: exit %d, %q, want %d and %q", name, got.code, got.stderr, c.code, c.want)
		}
	}
}

// TestSweepSubmit: what is printed says what was asked for; package scheduler tests that it is valid.
func TestSweepSubmit(t *testing.T) {
	script := kernel(t, nil, "sweep", "submit", "grid.json", "--store", "out/study", "--shards", "8", "--slurm", "--time", "4:00:00", "--option=--partition=gpu")
	for _, want := range []string{"#SBATCH --array=0-7\n", "#SBATCH --time=4:00:00\n", "#SBATCH --partition=gpu\n", "exec go run ./kernel sweep grid.json --store out/study\n"} {
		if script.code != 0 || !strings.Contains(script.stdout, want) {
			t.Errorf("exit %d, %s\n%s\nwant %q", script.code, script.stderr, script.stdout, want)
		}
	}
	manifest := kernel(t, nil, "sweep", "submit", "/studies/grid.json", "--store", "/studies/out", "--shards", "3", "--kubernetes", "--image", "tokenfuse:1", "--claim", "studies")
	for _, want := range []string{"kind: Job\n", "completionMode: Indexed\n", "completions: 3\n", "- /studies/grid.json\n"} {
		if manifest.code != 0 || !strings.Contains(manifest.stdout, want) {
			t.Errorf("exit %d, %s\n%s\nwant %q", manifest.code, manifest.stderr, manifest.stdout, want)
		}
	}
}
