package ablation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gomlx/compute"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/result"
)

// Options say how to sweep.
type Options struct {
	Store *Store
	// Backend is where graphs run; nil is accel.Backend's.
	Backend compute.Backend
	// Retry does the cells again that failed before.
	Retry bool
	// Batch is the number of images at once; 0 is 250.
	Batch int
	// Machine is written into the rows.
	Machine result.Machine
	// Progress, if set, hears when a cell begins (done 0), goes on, and has its row (not nil).
	Progress func(Progress)
	// Download, if set, hears of downloads.
	Download io.Writer
}

// Progress is how far a sweep is.
type Progress struct {
	Cell        Cell
	Index, Of   int // of the cells
	Done, Total int // of the cell's images
	Row         *result.Row
}

// Report is what became of the cells.
type Report struct {
	Cells  int
	Before int // had their row
	Done   int // have it now, by this process
	Failed int // of those done, failures
	Others int // have it now, by other processes
	// Lacking are cells without a row, because the machine lacks what they need; Lack says what.
	Lacking int
	Lack    error
}

// Sweep evaluates the cells that have no row in the store, and writes the row of each as it finishes. A
// cell that fails gets a row that says why, and the others are done all the same. What the machine lacks
// (data, weights that could not be had) is no row: see Report.Lacking. Other processes may work on the same
// store: no cell is done twice, and Sweep returns when all have their row, by whomever.
//
// It ends early with an error where ctx is cancelled, or the store cannot be read or written. All that
// was done by then is in the store, and the same call goes on from there.
func Sweep(ctx context.Context, cells []Cell, o Options) (Report, error) {
	report := Report{Cells: len(cells)}
	if o.Store == nil {
		return report, errors.New("ablation: a sweep without a store: open one with OpenStore")
	}
	if o.Backend == nil {
		var err error
		if o.Backend, err = accel.Backend(); err != nil {
			return report, err
		}
	}
	for _, c := range cells {
		if o.Store.done(c.Key, o.Retry) {
			report.Before++
		}
	}
	e := newEvaluator(o)
	defer e.close()
	wait := time.Duration(0)
	for left := cells; len(left) > 0; wait = 200 * time.Millisecond {
		if err := sleep(ctx, wait); err != nil {
			return report, err
		}
		var busy []Cell
		for _, c := range left {
			what, err := e.cell(ctx, c, o, &report)
			if err != nil {
				return report, err
			}
			if what == isBusy {
				busy = append(busy, c)
			}
		}
		left = busy // by others, who may die at it
	}
	report.Others = report.Cells - report.Before - report.Done - report.Lacking
	return report, nil
}

// cell does a cell, if it is for this process to do.
func (e *evaluator) cell(ctx context.Context, c Cell, o Options, report *Report) (state, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	claim, what, err := o.Store.claim(ctx, c.Key, o.Retry)
	if err != nil || what != claimed {
		return what, err
	}
	p := Progress{Cell: c, Index: report.Before + report.Done + report.Lacking, Of: report.Cells}
	tell := func(done, total int, row *result.Row) {
		if o.Progress != nil {
			p.Done, p.Total, p.Row = done, total, row
			o.Progress(p)
		}
	}
	tell(0, 0, nil)
	row, err := e.evaluate(ctx, c, func(done, total int) { tell(done, total, nil) })
	switch {
	case errors.Is(err, errLacking):
		report.Lacking++
		report.Lack = err
		return what, claim.release()
	case err != nil:
		return what, errors.Join(err, claim.release())
	}
	if err := claim.finish(row); err != nil {
		return what, err
	}
	report.Done++
	if row.Failed() {
		report.Failed++
	}
	tell(row.Samples, row.Samples, &row)
	return what, nil
}

// Run is a grid from cells to rows: it sweeps what the store lacks, and returns the rows of all cells, in
// their order, without failures, which are an error together with the rows. Without a store, nothing is kept
// beyond the call: what a notebook's cell wants while its code still changes.
func (g Grid) Run(ctx context.Context, o Options) ([]result.Row, error) {
	cells, err := g.Cells()
	if err != nil {
		return nil, err
	}
	if o.Store == nil {
		dir, err := os.MkdirTemp("", "tokenfuse-sweep-")
		if err != nil {
			return nil, fmt.Errorf("ablation: %w", err)
		}
		defer os.RemoveAll(dir)
		if o.Store, err = OpenStore(dir, ""); err != nil {
			return nil, err
		}
	}
	report, err := Sweep(ctx, cells, o)
	if err != nil {
		return nil, err
	}
	var rows []result.Row
	failed := report.Lack
	if err := o.Store.refresh(); err != nil {
		return nil, err
	}
	for _, c := range cells {
		row, ok := o.Store.rows[c.Key]
		switch {
		case ok && !row.Failed():
			rows = append(rows, c.named(row))
		case ok:
			failed = fmt.Errorf("ablation: %s: %s", c, row.Error)
		}
	}
	return rows, failed
}

// Select returns those of rows that are results of the grid's cells, in the order of these: of a store
// that several grids share, the rows of one.
func (g Grid) Select(rows []result.Row) ([]result.Row, error) {
	cells, err := g.Cells()
	if err != nil {
		return nil, err
	}
	byKey := map[string]result.Row{}
	for _, row := range rows {
		byKey[row.Key] = row
	}
	var selected []result.Row
	for _, c := range cells {
		if row, ok := byKey[c.Key]; ok {
			selected = append(selected, c.named(row))
		}
	}
	return selected, nil
}

// named is a row of the cell under the names of its grid: what two grids have in common is evaluated
// once, whatever they call it.
func (c Cell) named(row result.Row) result.Row {
	row.Model, row.Label = c.Model, c.Label
	return row
}

func (o Options) batch() int {
	if o.Batch < 1 {
		return batchSize
	}
	return o.Batch
}

func (o Options) download() io.Writer {
	if o.Download == nil {
		return io.Discard
	}
	return o.Download
}

func sleep(ctx context.Context, wait time.Duration) error {
	select {
	case <-time.After(wait):
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
