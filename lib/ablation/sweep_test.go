package ablation_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/compute"

	"tokenfuse/datasets"
	"tokenfuse/lib/ablation"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/result"
	"tokenfuse/plots"
)

// small is a grid of nine cells, of which one fails: ToMe cannot bring the model to 1% of its cost.
func small(t *testing.T) ablation.Grid {
	m, images := study(t)
	methods := ablation.Methods(fusion.None{}, fusion.ToMe{R: 1}, fusion.ToMe{R: 2}, fusion.MCTF{R: 2})
	methods = append(methods, ablation.GridMethod{Value: fusion.ToMe{}, Targets: []string{"1%"}})
	return ablation.Grid{Models: []ablation.GridModel{{Value: m}}, Methods: methods, Data: ablation.On(images, images.First(7))}
}

// plainGo is one for all tests: a model's weights stay with the backend that first had them.
var plainGo = sync.OnceValues(func() (compute.Backend, error) { return accel.New("go") })

// plain is the backend that compiles nothing, for tests of what happens around the graphs.
func plain(t *testing.T) compute.Backend {
	t.Helper()
	b, err := plainGo()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t *testing.T, path, shard string) *ablation.Store {
	t.Helper()
	s, err := ablation.OpenStore(path, shard)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func cellsOf(t *testing.T, g ablation.Grid) []ablation.Cell {
	t.Helper()
	all, err := g.Cells()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func sweep(t *testing.T, all []ablation.Cell, o ablation.Options) ablation.Report {
	t.Helper()
	report, err := ablation.Sweep(t.Context(), all, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestSweep: each cell has a row; a failure is one too, and is done again only
// when asked for; the second time there is nothing to do. The rows can be drawn.
func TestSweep(t *testing.T) {
	g := small(t)
	all := cellsOf(t, g)
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	if got := sweep(t, all, ablation.Options{Backend: plain(t), Store: open(t, path, "")}); got != (ablation.Report{Cells: 10, Done: 10, Failed: 2}) {
		t.Errorf("%+v", got)
	}
	rows, failures, err := ablation.ReadStore(path)
	if err != nil || len(rows) != 8 || len(failures) != 2 {
		t.Fatalf("%d rows, %d failures, %v", len(rows), len(failures), err)
	}
	if f := failures[0]; !strings.Contains(f.Error, "cannot bring the model") || f.Target != "1%" || f.Method != "tome" {
		t.Errorf("failure %+v", f)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := sweep(t, all, ablation.Options{Backend: plain(t), Store: open(t, path, "")}); got != (ablation.Report{Cells: 10, Before: 10}) {
		t.Errorf("again: %+v", got)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the second time, rows were written")
	}
	if got := sweep(t, all, ablation.Options{Backend: plain(t), Store: open(t, path, ""), Retry: true}); got != (ablation.Report{Cells: 10, Before: 8, Done: 2, Failed: 2}) {
		t.Errorf("retry: %+v", got)
	}
	if again, failed, err := ablation.ReadStore(path); err != nil || len(again) != 8 || len(failed) != 2 {
		t.Errorf("after the retry %d rows, %d failures, %v", len(again), len(failed), err)
	}
	if _, err := plots.FLOPsAccuracy(rows[:1]); err != nil {
		t.Errorf("the rows cannot be drawn: %v", err)
	}
	same := slices.DeleteFunc(slices.Clone(rows), func(r result.Row) bool { return r.Samples != 20 })
	if figure, err := plots.FLOPsAccuracy(same); err != nil || !strings.Contains(figure.Alt, "base model, tome, mctf: 4 points") {
		t.Errorf("%v, %v", figure, err)
	}
	if rows, err := g.Run(t.Context(), ablation.Options{Backend: plain(t), Store: open(t, path, "")}); err == nil || len(rows) != 8 {
		t.Errorf("Run: %d rows, %v, want 8 and the failure", len(rows), err)
	}
}

// TestSweepIsRun: on the backend that is chosen without being told, the rows are those of Run, with the
// answers that make their accuracy.
func TestSweepIsRun(t *testing.T) {
	m, images := study(t)
	methods := []fusion.Method{fusion.None{}, fusion.MCTF{R: 2}}
	g := ablation.Grid{Models: []ablation.GridModel{{Value: m}}, Methods: ablation.Methods(methods...), Data: ablation.On(images)}
	rows, err := g.Run(t.Context(), ablation.Options{Store: open(t, filepath.Join(t.TempDir(), "rows.jsonl"), "")})
	if err != nil {
		t.Fatal(err)
	}
	want, err := ablation.Run(t.Context(), m, images, methods...)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		got := rows[i]
		if got.AccuracyTop1 != w.AccuracyTop1 || got.GMACs != w.GMACs || got.Samples != w.Samples || !slices.Equal(got.Tokens, w.Tokens) ||
			!bytes.Equal(got.Fusion, w.Fusion) || got.Dataset != w.Dataset || got.Split != w.Split || got.Backend != w.Backend {
			t.Errorf("row %d is %+v, Run says %+v", i, got, w)
		}
		answers, err := got.Answers()
		right := 0
		for _, yes := range answers {
			if yes {
				right++
			}
		}
		if err != nil || math.Abs(float64(right)/float64(len(answers))-got.AccuracyTop1) > 1e-12 {
			t.Errorf("row %d: %d of %d answers, %v, accuracy %v", i, right, len(answers), err, got.AccuracyTop1)
		}
	}
}

// TestOneStore: what two grids have in common is evaluated once, and each has it under its own names.
func TestOneStore(t *testing.T) {
	m, images := study(t)
	grid := func(label string, methods ...fusion.Method) ablation.Grid {
		g := ablation.Grid{Models: []ablation.GridModel{{Value: m, Label: label}}, Methods: ablation.Methods(methods...), Data: ablation.On(images)}
		g.Methods[0].Label = label
		return g
	}
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	for _, g := range []ablation.Grid{grid("first", fusion.MCTF{R: 2}, fusion.None{}), grid("second", fusion.MCTF{R: 2}, fusion.ToMe{R: 2})} {
		rows, err := g.Run(t.Context(), ablation.Options{Store: open(t, path, "")})
		if err != nil {
			t.Fatal(err)
		}
		all, _, err := ablation.ReadStore(path)
		if err != nil {
			t.Fatal(err)
		}
		selected, err := g.Select(all)
		if err != nil {
			t.Fatal(err)
		}
		if name := g.Methods[0].Label; len(rows) != 2 || rows[0].Label != name || rows[0].Model != name || !reflect.DeepEqual(rows, selected) {
			t.Errorf("rows of the %s grid are %+v, selected are %+v", name, rows, selected)
		}
	}
	if all, _, err := ablation.ReadStore(path); err != nil || len(all) != 3 {
		t.Errorf("%d rows of 3 experiments, %v", len(all), err)
	}
}

// TestTornLine: a store whose last line was cut off anywhere is a store without that row, and the sweep
// makes it what it was, lines whole; where only the line feed was cut off nothing is done again.
func TestTornLine(t *testing.T) {
	all := cellsOf(t, small(t))[:3]
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	sweep(t, all, ablation.Options{Backend: plain(t), Store: open(t, path, "")})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for _, cut := range []int{last, last + 1, last + 10, (last + len(whole)) / 2, len(whole) - 2, len(whole) - 1} {
		if err := os.WriteFile(path, whole[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		rows, _, err := ablation.ReadStore(path)
		if err != nil || len(rows) != 2 {
			t.Errorf("cut at byte %d: %d rows, %v, want 2", cut-last, len(rows), err)
		}
		report := sweep(t, all, ablation.Options{Backend: plain(t), Store: open(t, path, "")})
		if report.Done != 1 {
			t.Errorf("cut at byte %d: %+v", cut-last, report)
		}
		rows, _, err = ablation.ReadStore(path)
		if err != nil || len(rows) != 3 {
			t.Errorf("cut at byte %d, made again: %d rows, %v", cut-last, len(rows), err)
		}
	}
	const notes = "not rows, and nobody's to cut off"
	if err := os.WriteFile(path, []byte(notes), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = ablation.Sweep(t.Context(), all, ablation.Options{Backend: plain(t), Store: open(t, path, "")})
	if text, _ := os.ReadFile(path); err == nil || !strings.Contains(err.Error(), "rows.jsonl ends with a line that is no row") || string(text) != notes {
		t.Errorf("of a file of notes %q is left, %v", text, err)
	}
	if err := os.WriteFile(path, append([]byte("{\"model\":1}\n"), whole...), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ablation.OpenStore(path, ""); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a line that is no row: %v", err)
	}
}

// TestShared: several sweeps of one store at once do each cell once, all see all rows at their end.
func TestShared(t *testing.T) {
	g := small(t)
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	const workers = 3
	reports := make([]ablation.Report, workers)
	var wait sync.WaitGroup
	for w := range workers {
		all, store := cellsOf(t, g), open(t, path, "")
		if w == 1 {
			slices.Reverse(all)
		}
		wait.Go(func() {
			var err error
			if reports[w], err = ablation.Sweep(t.Context(), all, ablation.Options{Backend: plain(t), Store: store}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	done := 0
	for _, r := range reports {
		done += r.Done
		if r.Before+r.Done+r.Others != 10 {
			t.Errorf("%+v", r)
		}
	}
	text, err := os.ReadFile(path)
	if lines := bytes.Count(text, []byte("\n")); err != nil || done != 10 || lines != 10 {
		t.Errorf("%d cells done, %d lines, %v, want 10", done, lines, err)
	}
}

// TestCancelled: what was done is in the store, what was under way is not, and is free again.
func TestCancelled(t *testing.T) {
	all := cellsOf(t, small(t))
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	ctx, cancel := context.WithCancel(t.Context())
	report, err := ablation.Sweep(ctx, all, ablation.Options{Backend: plain(t), Store: open(t, path, ""), Progress: func(p ablation.Progress) {
		if p.Index == 3 && p.Row == nil {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || report.Done != 3 {
		t.Errorf("%+v, %v", report, err)
	}
	if got := sweep(t, all, ablation.Options{Backend: plain(t), Store: open(t, path, "")}); got.Before != 3 || got.Done != 7 {
		t.Errorf("again: %+v", got)
	}
}

// TestLacking: data that is not on the machine is no failure of the experiment: the others are done, and
// it is done once the data is there.
func TestLacking(t *testing.T) {
	g := small(t)
	dir := filepath.Join(t.TempDir(), "pictures")
	g.Methods = g.Methods[:1]
	g.Data = append([]ablation.GridData{{Dataset: "folder", Path: dir}}, g.Data...)
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	report := sweep(t, cellsOf(t, g), ablation.Options{Backend: plain(t), Store: open(t, path, "")})
	if report.Lacking != 1 || report.Done != 2 || !errors.Is(report.Lack, datasets.ErrNotFound) {
		t.Errorf("%+v", report)
	}
	if rows, failures, err := ablation.ReadStore(path); err != nil || len(rows) != 2 || len(failures) != 0 {
		t.Errorf("%d rows, %d failures, %v", len(rows), len(failures), err)
	}
}

// grouped is images of which each two are of one thing.
type grouped struct{ *datasets.Images }

func (g grouped) Group(i int) int { return i / 2 }

// TestGroupsOfSource: a row knows the groups of its images.
func TestGroupsOfSource(t *testing.T) {
	m, images := study(t)
	g := ablation.Grid{Models: []ablation.GridModel{{Value: m}}, Methods: ablation.Methods(fusion.None{}), Data: ablation.On(grouped{images.First(5)})}
	rows, err := g.Run(t.Context(), ablation.Options{Backend: plain(t), Store: open(t, filepath.Join(t.TempDir(), "rows.jsonl"), "")})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := rows[0].ImageGroups(); err != nil || !slices.Equal(got, []int{0, 0, 1, 1, 2}) {
		t.Errorf("groups %v, %v", got, err)
	}
}

// TestMerge: shards of a folder, one missing, one twice, one twice with other numbers, one of another grid.
func TestMerge(t *testing.T) {
	all := cellsOf(t, small(t))
	dir := t.TempDir()
	if _, err := ablation.Merge(dir); err == nil || !strings.Contains(err.Error(), "cells.json") {
		t.Errorf("a folder of something else: %v", err)
	}
	first := open(t, dir, "0-of-2")
	if err := first.Expect(all[1:]); err != nil {
		t.Fatal(err)
	}
	sweep(t, all[:5], ablation.Options{Backend: plain(t), Store: first})
	sweep(t, all[5:9], ablation.Options{Backend: plain(t), Store: open(t, dir, "1-of-2")})
	rows, _, err := ablation.ReadStore(dir)
	if err != nil || len(rows) != 8 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	other := rows[3]
	other.AccuracyTop1 += 0.05
	purer := rows[4]
	purer.GroupPurity = 1
	file, err := os.Create(filepath.Join(dir, "rows-copy.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(result.Write(file, rows[2], other, purer), file.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := ablation.Merge(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 8 || got.Failed != 1 || got.Others != 1 || len(got.Missing) != 1 || got.Missing[0] != all[9].String() {
		t.Errorf("%d rows, %d failures, %d others, missing %q", len(got.Rows), got.Failed, got.Others, got.Missing)
	}
	if len(got.Twice) != 3 || got.Twice[0].Differ || !got.Twice[1].Differ || !got.Twice[2].Differ || !slices.Equal(got.Twice[0].Files, []string{"rows-0-of-2.jsonl", "rows-copy.jsonl"}) {
		t.Errorf("twice: %+v", got.Twice)
	}
	for i, row := range got.Rows {
		if row.Key != all[i+1].Key {
			t.Errorf("row %d is not in the order of the grid", i)
		}
	}
}

// TestOpenStore: what is no store is named.
func TestOpenStore(t *testing.T) {
	dir := t.TempDir()
	if _, err := ablation.OpenStore(filepath.Join(dir, "rows.jsonl"), "0-of-2"); err == nil || !strings.Contains(err.Error(), "shards want a folder") {
		t.Errorf("shards of a file: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "x.jsonl"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := ablation.OpenStore(filepath.Join(dir, "x.jsonl"), ""); err == nil {
		t.Error("a folder x.jsonl was taken for a file")
	}
	if _, err := ablation.Sweep(t.Context(), nil, ablation.Options{}); err == nil || !strings.Contains(err.Error(), "without a store") {
		t.Errorf("no store: %v", err)
	}
	if _, _, err := ablation.ReadStore(filepath.Join(dir, "gone")); err == nil {
		t.Error("a store that is not there was read")
	}
}
