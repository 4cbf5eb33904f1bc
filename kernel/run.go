package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/provision"
	"tokenfuse/kernel/internal/runner"
)

func newRunCommand() *cobra.Command {
	var settings []string
	var output string
	var bounds cellBounds
	var keepGoing bool
	cmd := &cobra.Command{
		Use:   "run NOTEBOOK...",
		Short: "Execute notebooks with GoNB, without Python or Jupyter",
		Long: `Executes each notebook from its first cell to its last, in a kernel of its own and in the
notebook's folder, and writes it back with its outputs, or to the file or folder of -o. It is written
whole after each cell, so that what was done is kept when a cell fails.

Parameters are the Go variables declared in the cell tagged "parameters"; -p sets one by adding a
cell behind that one. A cell tagged raises-exception may fail, one tagged skip-execution is left out.
What the kernel needs is installed on first use.`,
		Example: `  go run ./kernel run notebooks/01-quickstart.ipynb
  go run ./kernel run -p r=8 -p 'rs=1,2,4' -o quick.ipynb notebooks/01-quickstart.ipynb
  go run ./kernel run --keep-going --timeout 5m -o executed/ notebooks/*.ipynb`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return failure.Usage("no notebook given: name at least one, as in: go run ./kernel run notebooks/01-quickstart.ipynb")
			}
			opts, err := bounds.options(cmd)
			if err != nil {
				return err
			}
			opts.KeepGoing = keepGoing
			return runNotebooks(cmd.Context(), args, output, settings, opts)
		},
	}
	cmd.Flags().StringArrayVarP(&settings, "parameter", "p", nil, "set a parameter, as `name=value` (a list as name=1,2,3); may be repeated")
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to this `file`, or into this folder, instead of the notebook itself")
	bounds.add(cmd)
	cmd.Flags().BoolVar(&keepGoing, "keep-going", false, "go on behind a cell that fails, and with the next notebook")
	return cmd
}

// runNotebooks plans all notebooks and executes them.
func runNotebooks(ctx context.Context, paths []string, output string, settings []string, opts runner.Options) error {
	jobs, err := runner.Plan(paths, output, settings)
	if err != nil {
		return err
	}
	return runJobs(ctx, jobs, opts)
}

// runJobs makes sure of the kernel, and executes one notebook after the other.
func runJobs(ctx context.Context, jobs []runner.Job, opts runner.Options) (err error) {
	if err := provision.Ensure(ctx, os.Stderr, provision.Options{RunOnly: true}); err != nil {
		return err
	}
	if opts.Spec, err = provision.KernelSpec(); err != nil {
		return err
	}
	return runner.RunAll(ctx, jobs, opts)
}
