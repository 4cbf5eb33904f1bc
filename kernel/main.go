// Command kernel sets up, runs and publishes Tokenfuse notebooks, and runs its models and methods
// on files. Each verb lives in a file of its own; they parse and print, packages compute.
//
//	go run ./kernel --help
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/failure"
)

func main() {
	interrupts := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup, which asks to outlive the terminal
		interrupts = append(interrupts, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), interrupts...)
	// A second interrupt kills at once: the first one restores the default behaviour.
	context.AfterFunc(ctx, stop)
	os.Exit(execute(whileParentLives(ctx), os.Args[1:]))
}

// execute runs the command line and returns its exit code; errors are printed to standard error as
// one line.
func execute(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(harmless{os.Stdout})
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		said := "interrupted"
		if stopped, ok := errors.AsType[*failure.Error](err); ok && stopped.Code == failure.CodeInterrupted {
			said = oneLine(stopped) // where it stopped, and how to go on
		}
		fmt.Fprintf(os.Stderr, "kernel: %s\n", said)
		return failure.CodeInterrupted
	}
	fmt.Fprintf(os.Stderr, "kernel: %s\n", oneLine(err))
	// Whatever cobra itself refuses (an unknown verb, a flag that does not parse) never reached a
	// verb, and is bad usage.
	var ran *ranError
	if !errors.As(err, &ran) {
		return failure.CodeUsage
	}
	return failure.Code(ran.err)
}

// oneLine is an error's message on one line, fit for a terminal; cobra spreads its suggestions over several.
func oneLine(err error) string {
	var parts []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			parts = append(parts, line)
		}
	}
	return string(withoutControls([]byte(strings.Join(parts, " "))))
}

// ranError marks an error that came from a verb's own work rather than from parsing its flags.
type ranError struct{ err error }

func (e *ranError) Error() string { return e.err.Error() }
func (e *ranError) Unwrap() error { return e.err }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "kernel",
		Short: "Experiments on token fusion in Vision Transformers, from Go notebooks",
		Long: `Tokenfuse: run, teach and publish experiments on token fusion in Vision Transformers.

Exit codes: 0 done; 1 the work failed; 2 bad usage or input; 3 the machine lacks something
(the message names the command that cures it); 130 interrupted.`,
		Example: `  go run ./kernel run notebooks/01-quickstart.ipynb
  go run ./kernel lab
  go run ./kernel test`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	for _, verb := range verbs() {
		markErrors(verb)
		root.AddCommand(verb)
	}
	return root
}

// markErrors marks the errors of a verb's own work, and of its verbs.
func markErrors(verb *cobra.Command) {
	if run := verb.RunE; run != nil {
		verb.RunE = func(cmd *cobra.Command, args []string) error {
			if err := run(cmd, args); err != nil {
				return &ranError{err}
			}
			return nil
		}
	}
	for _, inner := range verb.Commands() {
		markErrors(inner)
	}
}

// verbs lists the commands, in the order of a user's first day.
func verbs() []*cobra.Command {
	return []*cobra.Command{
		newSetupCommand(),
		newDoctorCommand(),
		newRunCommand(),
		newPublishCommand(),
		newVerifyCommand(),
		newLabCommand(),
		newTestCommand(),
		newModelsCommand(),
		newMethodsCommand(),
		newFlopsCommand(),
		newPredictCommand(),
		newFuseCommand(),
		newBenchCommand(),
		newTrainCommand(),
		newSweepCommand(),
	}
}
