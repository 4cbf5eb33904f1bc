package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/lib/ablation"
	"tokenfuse/lib/result"
)

func newSweepMergeCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "merge DIR [--output FILE.jsonl]",
		Short: "Join the files of a sweep's workers, and say what is missing or was done twice",
		Long: `Joins the rows of a folder by key, in the order of the grid. It names the cells that are missing and
those that were done twice; it exits with 1 when something is missing, or when what was done twice has
different results.`,
		Example: `  go run ./kernel sweep merge out/study
  go run ./kernel sweep merge out/study --output out/study.jsonl`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runMerge(cmd.OutOrStdout(), args[0], output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "JSON Lines `FILE` to write")
	return cmd
}

func runMerge(out io.Writer, dir, output string) error {
	if output != "" {
		if within, err := filepath.Rel(dir, output); err == nil && !strings.Contains(within, string(filepath.Separator)) && strings.HasPrefix(within, "rows") {
			return failure.Usage("output %q would be taken for a worker's file: write it elsewhere", output)
		}
		if err := writable(output); err != nil {
			return err
		}
	}
	merged, err := ablation.Merge(dir)
	if err != nil {
		return failure.Usage("%w", err)
	}
	if output != "" {
		if err := result.WriteFile(output, merged.Rows); err != nil {
			return err
		}
	}
	differ := 0
	for _, cell := range merged.Missing {
		fmt.Fprintf(out, "missing: %s\n", cell)
	}
	for _, twice := range merged.Twice {
		what := "with the same result"
		if twice.Differ {
			what = "with different results"
			differ++
		}
		fmt.Fprintf(out, "done %d times, %s: %s (in %s)\n", len(twice.Files), what, twice.Cell, strings.Join(twice.Files, ", "))
	}
	fmt.Fprintf(out, "%d rows (%d failures), %d missing, %d done more than once, %d of other grids left out\n",
		len(merged.Rows), merged.Failed, len(merged.Missing), len(merged.Twice), merged.Others)
	var errs []error
	if n := len(merged.Missing); n > 0 {
		errs = append(errs, fmt.Errorf("%d cells of %s are missing: start its workers again", n, dir))
	}
	if differ > 0 {
		errs = append(errs, fmt.Errorf("%d cells of %s have different results", differ, dir))
	}
	if len(errs) > 0 {
		return failure.Work("%w", errors.Join(errs...))
	}
	return nil
}
