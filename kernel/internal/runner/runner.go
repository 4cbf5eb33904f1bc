// Package runner executes notebooks: Plan reads and checks them, Run starts a kernel for one and
// executes its cells in order, writing the notebook whole after each. What goes wrong is one line
// that names the notebook, the cell by the number in its brackets, and the line. Tags as in nbclient:
// a cell tagged raises-exception may fail, one tagged skip-execution is left alone.
package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/jupyter"
	"tokenfuse/kernel/internal/nbformat"
)

// Options say how to execute.
type Options struct {
	Spec      jupyter.Spec
	Name      string        // of the kernelspec, recorded in the notebook
	Timeout   time.Duration // for each cell; 0 for none
	KeepGoing bool          // go on behind a cell that failed
	Progress  *Progress     // nil for none
	MaxOutput int           // bytes of output that a cell keeps; 0 is jupyter.DefaultMaxOutput, below 0 all
	// Staged says that the caller moves the output on: nobody is told where it is now.
	Staged bool
	// Took, where it is not nil, is told how long each cell took.
	Took func(cell *nbformat.Cell, took time.Duration)
}

// Run executes the job's notebook in a kernel of its own, whose working directory is Dir, or else the
// notebook's folder. The output is written after each cell, and so also when a cell fails, ctx ends or the
// kernel dies. The error has exit code 1 for a cell that failed.
func (j *Job) Run(ctx context.Context, opts Options) (err error) {
	begin := time.Now()
	cells := clean(j.Notebook)
	if err := j.write(); err != nil {
		return err
	}
	opts.Progress.start(j.Path, len(cells))
	kernel, err := jupyter.Start(ctx, opts.Spec, jupyter.Options{Dir: cmp.Or(j.Dir, filepath.Dir(j.Path))})
	if err != nil {
		return j.fail(ctx, err)
	}
	defer func() { err = errors.Join(err, kernel.Close()) }()
	if err := describe(j.Notebook, opts, kernel.Info()); err != nil {
		return err
	}
	recorder := jupyter.Recorder{Limit: opts.MaxOutput}
	var failures []error
	for i, cell := range cells {
		err := j.runCell(ctx, opts, kernel, &recorder, i+1, cell)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return j.fail(ctx, ctx.Err())
		}
		if !opts.KeepGoing {
			return err
		}
		opts.Progress.failed(err)
		failures = append(failures, err)
		if !kernel.Alive() {
			break
		}
	}
	if len(failures) > 0 {
		return failure.Work("%s: %d of %s failed", j.Path, len(failures), count(len(cells), "cell"))
	}
	output := j.Output
	if opts.Staged {
		output = ""
	}
	opts.Progress.finish(j.Path, output, len(cells), time.Since(begin))
	return nil
}

// clean empties the cells that are going to run and returns them.
func clean(n *nbformat.Notebook) []*nbformat.Cell {
	var cells []*nbformat.Cell
	for _, cell := range n.Cells {
		if cell.Kind == nbformat.Code && !cell.HasTag("skip-execution") {
			cell.Outputs, cell.ExecutionCount = nil, nil
		}
		if cell.Runs() {
			cells = append(cells, cell)
		}
	}
	return cells
}

// describe records in the notebook what it is executed with, as Jupyter does.
func describe(n *nbformat.Notebook, opts Options, info jupyter.Info) error {
	return errors.Join(
		n.Metadata.Set("kernelspec", map[string]string{
			"name": opts.Name, "display_name": opts.Spec.DisplayName, "language": opts.Spec.Language,
		}),
		n.Metadata.Set("language_info", info.Language),
	)
}

// runCell executes one cell and writes the notebook. number is the one that the cell gets in its
// brackets.
func (j *Job) runCell(ctx context.Context, opts Options, kernel *jupyter.Kernel, recorder *jupyter.Recorder, number int, cell *nbformat.Cell) error {
	done := opts.Progress.cell(number, cell.Source)
	limited := ctx
	timedOut := fmt.Errorf("took longer than %v and was interrupted: raise --timeout", opts.Timeout)
	if opts.Timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeoutCause(ctx, opts.Timeout, timedOut)
		defer cancel()
	}
	recorder.Begin(cell)
	begin := time.Now()
	reply, err := kernel.Execute(limited, cell.Source, recorder.Take)
	recorder.End()
	if opts.Took != nil {
		opts.Took(cell, time.Since(begin))
	}
	if cell.ExecutionCount == nil && reply.ExecutionCount > 0 {
		cell.ExecutionCount = &reply.ExecutionCount
	}
	var dead *jupyter.DeadError
	switch {
	case errors.As(err, &dead):
		err = j.cellError(number, cell, lastWords(cell, dead))
	case err != nil:
		err = j.cellError(number, cell, err.Error())
	case reply.Status != "ok" && !cell.HasTag("raises-exception"):
		err = j.cellError(number, cell, explain(cell, number, reply))
	}
	done(err)
	// A cell that failed is the more important news.
	if writeErr := j.write(); err == nil {
		err = writeErr
	}
	return err
}

func (j *Job) cellError(number int, cell *nbformat.Cell, text string) error {
	which := fmt.Sprintf("cell %d", number)
	if name := cell.Name(); name != "" {
		which += ", " + name
	}
	separator := ": "
	if len(text) > 0 && text[0] == '(' {
		separator = " "
	}
	return failure.Work("%s: %s%s%s", j.Path, which, separator, text)
}

// fail reports what has nothing to do with a cell.
func (j *Job) fail(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &failure.Error{Code: failure.CodeInterrupted, Err: fmt.Errorf("%s: interrupted", j.Path)}
	}
	return failure.Work("%s: %w", j.Path, err)
}

func (j *Job) write() error {
	if err := nbformat.Write(j.Output, j.Notebook); err != nil {
		return failure.Work("%w", err)
	}
	return nil
}

// RunAll runs the jobs one after the other. With KeepGoing it also goes on behind a notebook that
// failed, and says at the end how many did.
func RunAll(ctx context.Context, jobs []Job, opts Options) error {
	var failed int
	for i := range jobs {
		err := jobs[i].Run(ctx, opts)
		switch {
		case err == nil:
		case ctx.Err() != nil || !opts.KeepGoing || len(jobs) == 1:
			return err
		default:
			opts.Progress.failed(err)
			failed++
		}
	}
	if failed > 0 {
		return failure.Work("%d of %s failed", failed, count(len(jobs), "notebook"))
	}
	return nil
}
