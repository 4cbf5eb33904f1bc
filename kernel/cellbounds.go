package main

import (
	"time"

	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/jupyter"
	"tokenfuse/kernel/internal/provision"
	"tokenfuse/kernel/internal/runner"
)

// cellBounds are the flags for what a cell may take and give, in the verbs that execute notebooks.
type cellBounds struct {
	timeout   time.Duration
	maxOutput byteSize
}

func (b *cellBounds) add(cmd *cobra.Command) {
	b.maxOutput = byteSize(jupyter.DefaultMaxOutput)
	cmd.Flags().DurationVar(&b.timeout, "timeout", 10*time.Minute, "how long a cell may take; 0 for any time")
	cmd.Flags().Var(&b.maxOutput, "max-output", "how much output a cell keeps, as 500KiB, 64MiB or 1GiB; the rest is cut with a notice; 0 for all")
}

// options are those of a run within the bounds.
func (b *cellBounds) options(cmd *cobra.Command) (runner.Options, error) {
	if b.timeout < 0 {
		return runner.Options{}, failure.Usage("--timeout %q is negative: give the time that a cell may take, or 0 for any", b.timeout.String())
	}
	opts := runner.Options{
		Name: provision.KernelName, Timeout: b.timeout, MaxOutput: int(b.maxOutput), Progress: runner.NewProgress(cmd.ErrOrStderr()),
	}
	if opts.MaxOutput == 0 {
		opts.MaxOutput = -1
	}
	return opts, nil
}
