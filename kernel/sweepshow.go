package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/lib/ablation"
	"tokenfuse/lib/result"
	"tokenfuse/plots"
)

// sweepShowFlags are what `sweep show` was told.
type sweepShowFlags struct {
	grid, target, baseline, speed, figure string
	foreground, markdown, latex           bool
}

func newSweepShowCommand() *cobra.Command {
	var f sweepShowFlags
	cmd := &cobra.Command{
		Use:   "show FILE.jsonl|DIR",
		Short: "Tables of a sweep: means, intervals, and whether differences are real",
		Long: `Makes a table of a store, a line for each setting over its seeds:

  deviation, 95% over seeds   standard deviation, and Student's interval of the mean
  95% over images             Wilson's interval of one seed; else, or where one thing is in several
                              images, a bootstrap over images, or over those things
  vs BASELINE, in points      paired by seed and image, with the interval of the difference over images
                              (bootstrap) and over seeds, and for one seed McNemar's exact test
  difference                  "none" where an interval holds 0
  Pareto                      * where nothing is both cheaper and better

The baseline is the base model, or the method that --baseline names, at the same target. --grid leaves
the rows of one of the grids that share the store, --target those of one cost, and the base model's.
--speed sets the images per second that a file of bench has beside the accuracies of the same settings;
--foreground, in place of intervals, what methods do with the foreground where a grid had it measured.`,
		Example: `  go run ./kernel sweep show out/study.jsonl
  go run ./kernel sweep show out/study.jsonl --baseline tome --latex
  go run ./kernel sweep show out/study.jsonl --grid grid.json --target 60%
  go run ./kernel sweep show out/study.jsonl --speed out/speed.jsonl --target 60%
  go run ./kernel sweep show out/study.jsonl --foreground --target 60%
  go run ./kernel sweep show out/study --markdown --figure out/study.png`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSweepShow(cmd.OutOrStdout(), cmd.ErrOrStderr(), args[0], f)
		},
	}
	cmd.Flags().StringVar(&f.grid, "grid", "", "only the rows of this grid, a `FILE`")
	cmd.Flags().StringVar(&f.target, "target", "", "only the rows of this `COST`, as the grid writes it, and the base model's")
	cmd.Flags().StringVar(&f.baseline, "baseline", "", "`METHOD` to compare with, by its label; with its model before it (\"plain mctf\"), on every model (default: the base model)")
	cmd.Flags().StringVar(&f.speed, "speed", "", "add images per second out of a `FILE` of bench")
	cmd.Flags().BoolVar(&f.foreground, "foreground", false, "what became of the foreground, in place of intervals")
	cmd.Flags().StringVar(&f.figure, "figure", "", "draw accuracy over GMACs into a `FILE`, .png or .svg")
	cmd.Flags().BoolVar(&f.markdown, "markdown", false, "a Markdown table")
	cmd.Flags().BoolVar(&f.latex, "latex", false, "a LaTeX table")
	cmd.MarkFlagsMutuallyExclusive("markdown", "latex")
	return cmd
}

func runSweepShow(out, warn io.Writer, store string, f sweepShowFlags) error {
	rows, failures, err := ablation.ReadStore(store)
	if err != nil {
		return failure.Usage("%w", err)
	}
	for _, r := range failures {
		fmt.Fprintf(warn, "kernel: warning: no result: %s under %s, seed %d: %s\n", r.Model, r.Fusion, r.Seed, r.Error)
	}
	if len(rows) == 0 {
		return failure.Usage("%s holds no results", store)
	}
	if rows, err = f.only(rows); err != nil {
		return failure.Usage("%w", err)
	}
	if f.speed != "" {
		timed, err := result.ReadFile(f.speed)
		if err != nil {
			return failure.Usage("%w", err)
		}
		if rows, err = result.WithSpeed(rows, timed); err != nil {
			return failure.Usage("%s: %w", f.speed, err)
		}
	}
	summary, err := ablation.Summarise(rows, f.baseline)
	if err != nil {
		return failure.Usage("%w", err)
	}
	if f.foreground {
		summary = summary.OfForeground()
	}
	if f.figure != "" {
		figure, err := plots.FLOPsAccuracy(rows)
		if err != nil {
			return failure.Usage("%w", err)
		}
		if err := figure.Save(f.figure); err != nil {
			return failure.Usage("%w", err)
		}
	}
	switch {
	case f.markdown:
		fmt.Fprint(out, summary.Markdown())
	case f.latex:
		fmt.Fprint(out, summary.LaTeX())
	default:
		t := table.NewWriter()
		header, lines := summary.Table()
		t.AppendHeader(tableRow(header))
		for _, line := range lines {
			t.AppendRow(tableRow(line))
		}
		render(out, t, false)
	}
	return nil
}

// only leaves the rows that --grid and --target ask for.
func (f sweepShowFlags) only(rows []result.Row) ([]result.Row, error) {
	if f.grid != "" {
		grid, err := ablation.ReadGrid(f.grid)
		if err != nil {
			return nil, err
		}
		if rows, err = grid.Select(rows); err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return nil, fmt.Errorf("the store holds no results of %s: it is not of this grid, or weights are others now", f.grid)
		}
	}
	if f.target == "" {
		return rows, nil
	}
	targets := map[string]bool{}
	rows = slices.DeleteFunc(rows, func(r result.Row) bool {
		targets[r.Target] = true
		return r.Method != result.None && r.Target != f.target
	})
	delete(targets, "")
	switch {
	case len(targets) == 0:
		return nil, fmt.Errorf("no results at %s: none of these rows was set for a cost", f.target)
	case !targets[f.target]:
		return nil, fmt.Errorf("no results at %s: there are some at %s", f.target, strings.Join(slices.Sorted(maps.Keys(targets)), ", "))
	}
	return rows, nil
}

func tableRow(cells []string) table.Row {
	row := make(table.Row, len(cells))
	for i, cell := range cells {
		row[i] = cell
	}
	return row
}
