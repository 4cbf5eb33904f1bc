package ablation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"tokenfuse/lib/result"
	"tokenfuse/lib/whole"
)

// expectedFile names, in a store that is a folder, the cells that the sweep is about.
const expectedFile = "cells.json"

// expected is a cell as the folder of a store knows it.
type expected struct {
	Key  string `json:"key"`
	Cell string `json:"cell"`
}

// Expect writes down in a folder which cells the sweep is about, so that Merge can say what is missing
// without the grid, its weights or its data. A store that is a file is left as it is.
func (s *Store) Expect(cells []Cell) error {
	if s.dir == "" {
		return nil
	}
	all := make([]expected, len(cells))
	for i, c := range cells {
		all[i] = expected{c.Key, c.String()}
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return fmt.Errorf("ablation: %w", err)
	}
	if err := whole.WriteFile(filepath.Join(s.dir, expectedFile), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("ablation: store: %w", err)
	}
	return nil
}

// Merged is what the workers of a folder have done between them.
type Merged struct {
	// Rows are one a cell, results and failures, in the order of the grid.
	Rows   []result.Row
	Failed int
	// Missing are the cells without a row.
	Missing []string
	// Twice are the cells that were done more than once.
	Twice []Twice
	// Others is the number of rows that are of no cell of the grid: of an earlier one. They are left out.
	Others int
}

// Twice is a cell with several results.
type Twice struct {
	Cell  string
	Files []string
	// Differ, if the results are not the same numbers: accuracy, answers, foreground, tokens or GMACs.
	Differ bool
}

// Merge joins the rows of a folder by key. Of several results the first counts, of the first file by name.
func Merge(dir string) (Merged, error) {
	text, err := os.ReadFile(filepath.Join(dir, expectedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Merged{}, fmt.Errorf("ablation: %q holds no %s: it is no folder of a sweep", dir, expectedFile)
	}
	if err != nil {
		return Merged{}, fmt.Errorf("ablation: store: %w", err)
	}
	var cells []expected
	if err := json.Unmarshal(text, &cells); err != nil {
		return Merged{}, fmt.Errorf("ablation: %s: %w", filepath.Join(dir, expectedFile), err)
	}
	files, err := storeFiles(dir)
	if err != nil {
		return Merged{}, err
	}
	found := map[string]*findings{}
	for _, file := range files {
		rows, err := (&tail{path: file}).read()
		if err != nil {
			return Merged{}, err
		}
		for _, row := range rows {
			if found[row.Key] == nil {
				found[row.Key] = &findings{}
			}
			found[row.Key].add(row, filepath.Base(file))
		}
	}
	var merged Merged
	for _, c := range cells {
		f := found[c.Key]
		delete(found, c.Key)
		if f == nil {
			merged.Missing = append(merged.Missing, c.Cell)
			continue
		}
		if f.row.Failed() {
			merged.Failed++
		}
		merged.Rows = append(merged.Rows, f.row)
		if len(f.files) > 1 {
			merged.Twice = append(merged.Twice, Twice{c.Cell, f.files, f.differ})
		}
	}
	merged.Others = len(found)
	return merged, nil
}

// findings are the rows of a key.
type findings struct {
	row    result.Row // the first result, else the last failure
	files  []string   // of the results
	differ bool
}

func (f *findings) add(row result.Row, file string) {
	if !row.Failed() {
		f.files = append(f.files, file)
	}
	switch {
	case len(f.files) == 0 || !row.Failed() && len(f.files) == 1:
		f.row = row
	case !row.Failed():
		f.differ = f.differ || !sameResult(f.row, row)
	}
}

// sameResult reports whether two rows say the same of the cell; how long it took, and where, is not of it.
func sameResult(a, b result.Row) bool {
	return a.AccuracyTop1 == b.AccuracyTop1 && a.Samples == b.Samples && a.Correct == b.Correct &&
		a.GMACs == b.GMACs && slices.Equal(a.Tokens, b.Tokens) && reflect.DeepEqual(a.Foreground, b.Foreground)
}
