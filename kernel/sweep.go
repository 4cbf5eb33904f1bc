package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/provision"
	"tokenfuse/lib/ablation"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/bench"
	"tokenfuse/lib/scheduler"
)

// sweepFlags are what `sweep` was told.
type sweepFlags struct {
	store, shard string
	retry, list  bool
	batch        int
}

func newSweepCommand() *cobra.Command {
	var f sweepFlags
	cmd := &cobra.Command{
		Use:   "sweep GRID.json|GRID.yaml --store FILE.jsonl|DIR",
		Short: "Evaluate a grid of models, methods, settings, seeds and data; started again, it does what is missing",
		Long: `Evaluates every cell of a grid and appends a row for each to a store (JSON Lines) as it finishes. Killed,
at any moment, and started again it does only what is missing. Several processes may share a store: no
cell is done twice, and each returns when all is done. A cell that fails gets a row that says why, and the
others go on; --retry does it again. Rows are told apart by a hash of what their result depends on, so a
grid may grow or be written differently.

GRID.json, of which targets and seeds may be left out (more in go doc tokenfuse/lib/ablation.Grid):

  {"models": ["vit_fmnist_patch4_28", {"model": "small.json", "weights": "out/small-{seed}.safetensors"}],
   "methods": ["none", "tome", {"fusion": "mctf", "vary": {"pooling": ["attention", "size"]}}],
   "targets": ["80%", "60%"],
   "data": [{"dataset": "fashion-mnist", "first": 2000}],
   "seeds": [0, 1, 2]}

With --shard i/n it does one part of n, into a file of its own in the folder DIR, which all share. In a
Slurm job array or a Kubernetes Indexed Job the shard is read from the environment; sweep submit writes
those, and sweep merge joins their files. sweep show makes tables.

It exits with 1 when cells failed in this run, and with 3 when the machine lacks data or weights.`,
		Example: `  go run ./kernel sweep grid.json --store out/study.jsonl
  go run ./kernel sweep show out/study.jsonl --markdown
  go run ./kernel sweep grid.json --store out/study --shard 1/3
  go run ./kernel sweep merge out/study --output out/study.jsonl
  go run ./kernel sweep submit grid.json --store out/study --shards 8 --slurm`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.list {
				return listCells(cmd.OutOrStdout(), args[0])
			}
			if f.store == "" {
				return failure.Usage("name the store: --store FILE.jsonl or --store DIR")
			}
			if f.batch < 1 {
				return failure.Usage("--batch is %d, want 1 or more", f.batch)
			}
			return runSweep(cmd.Context(), cmd.ErrOrStderr(), args[0], f)
		},
	}
	cmd.Flags().StringVar(&f.store, "store", "", "`FILE`.jsonl, or a folder in which each worker has a file")
	cmd.Flags().StringVar(&f.shard, "shard", "", "do part `i/n` only (default: what Slurm or Kubernetes says, else all)")
	cmd.Flags().BoolVar(&f.retry, "retry", false, "do again what failed before")
	cmd.Flags().BoolVar(&f.list, "list", false, "do nothing: list the cells")
	cmd.Flags().IntVar(&f.batch, "batch", 250, "images at a time")
	cmd.AddCommand(newSweepShowCommand(), newSweepMergeCommand(), newSweepSubmitCommand())
	return cmd
}

// gridCells reads a grid; what is wrong with it is bad input.
func gridCells(path string) ([]ablation.Cell, error) {
	grid, err := ablation.ReadGrid(path)
	if err != nil {
		return nil, failure.Usage("%w", err)
	}
	cells, err := grid.Cells()
	if err != nil {
		return nil, failure.Usage("%w", err)
	}
	return cells, nil
}

func listCells(out io.Writer, path string) error {
	cells, err := gridCells(path)
	if err != nil {
		return err
	}
	for _, c := range cells {
		fmt.Fprintln(out, c)
	}
	return nil
}

// shardOf reads --shard, else what the scheduler says.
func shardOf(text string) (scheduler.Shard, error) {
	shard, err := scheduler.FromEnvironment(os.LookupEnv)
	if text != "" {
		shard, err = scheduler.ParseShard(text)
	}
	if err != nil {
		return shard, failure.Usage("%w", err)
	}
	return shard, nil
}

func runSweep(ctx context.Context, progress io.Writer, grid string, f sweepFlags) error {
	shard, err := shardOf(f.shard)
	if err != nil {
		return err
	}
	cells, err := gridCells(grid)
	if err != nil {
		return err
	}
	worker := ""
	if !shard.Whole() {
		worker = shard.String()
	}
	store, err := ablation.OpenStore(f.store, worker)
	if err != nil {
		return failure.Usage("%w", err)
	}
	if err := store.Expect(cells); err != nil {
		return err
	}
	b, err := backend()
	if err != nil {
		return err
	}
	machine := bench.Machine(accel.Choice(), b)
	if dir, err := provision.Checkout(); err == nil {
		machine.Commit = commitOf(dir)
	}
	part := scheduler.Of(shard, cells)
	if shard.Whole() {
		fmt.Fprintf(progress, "sweep: %d cells on %s\n", len(part), describe(accel.Name(b), machine))
	} else {
		fmt.Fprintf(progress, "sweep: shard %s: %d of %d cells on %s\n", shard, len(part), len(cells), describe(accel.Name(b), machine))
	}
	report, err := ablation.Sweep(ctx, part, ablation.Options{Store: store, Backend: b, Retry: f.retry, Batch: f.batch, Machine: machine,
		Progress: sweepProgress(progress), Download: progress})
	if ctx.Err() != nil {
		return fmt.Errorf("stopped after %d cells, which are in %s: the same command goes on from there: %w", report.Done, f.store, ctx.Err())
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "sweep: %d cells: %d had a row, %d done now (%d failed), %d done by others, %d lack something\n",
		report.Cells, report.Before, report.Done, report.Failed, report.Others, report.Lacking)
	switch {
	case report.Lacking > 0:
		return &failure.Error{Code: failure.CodeMissing, Err: fmt.Errorf("%d cells not done: %w", report.Lacking, report.Lack)}
	case report.Failed > 0:
		return failure.Work("%d of %d cells failed: their rows in %s say why", report.Failed, report.Done, f.store)
	}
	return nil
}

// sweepProgress says a line for each row, and each minute one for a cell that takes long.
func sweepProgress(w io.Writer) func(ablation.Progress) {
	told := time.Now()
	return func(p ablation.Progress) {
		switch {
		case p.Row != nil && p.Row.Failed():
			fmt.Fprintf(w, "sweep: %d of %d: %s: failed: %s\n", p.Index+1, p.Of, p.Cell, p.Row.Error)
		case p.Row != nil:
			fmt.Fprintf(w, "sweep: %d of %d: %s: accuracy_top1 %.4f at %s GMACs, %.1f s\n", p.Index+1, p.Of, p.Cell, p.Row.AccuracyTop1, gmacs(p.Row.GMACs), p.Row.Seconds)
		case p.Total > 0 && time.Since(told) > time.Minute:
			fmt.Fprintf(w, "sweep: %d of %d: %s: %d of %d images\n", p.Index+1, p.Of, p.Cell, p.Done, p.Total)
		default:
			return
		}
		told = time.Now()
	}
}
