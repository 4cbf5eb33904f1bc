package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/compare"
	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/processes"
	"tokenfuse/kernel/internal/provision"
	"tokenfuse/kernel/internal/publication"
	"tokenfuse/kernel/internal/runner"
)

func newVerifyCommand() *cobra.Command {
	var bounds cellBounds
	tolerances := compare.Options{}
	cmd := &cobra.Command{
		Use:   "verify PUBLISHED.ipynb",
		Short: "Execute a published notebook again, and say what is equal and what differs",
		Long: `Executes a published notebook with the parameters that it holds, and compares: the datasets, weights
and result rows that are read, by their checksums; the libraries, with what was recorded and with what
the recorded commit requires; and cell by cell the outputs. Text has to be the same, whole numbers too;
other numbers may differ by --tolerance, relative to the larger one, and pictures in a share of --pixels.
In cells tagged timing numbers are times, and not compared. The published file is left alone.

The table on standard output names what is equal, what differs and by how much, and what was changed
by hand since, page and data beside the notebook too. Commit, Go, GoNB, backend and machine may be
others: the table says so ("other"), and it is no difference. Exit code 1 where something differs.`,
		Example: `  go run ./kernel verify published/01-quickstart.ipynb
  go run ./kernel verify --tolerance 1e-3 --pixels 0.01 published/01-quickstart.ipynb   # another processor
  git worktree add ../then COMMIT && cd ../then && go run ./kernel verify FILE   # with the very code`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return failure.Usage("%d notebooks given: name one, as in: go run ./kernel verify published/01-quickstart.ipynb", len(args))
			case !(tolerances.Tolerance >= 0 && tolerances.Tolerance < 1):
				return failure.Usage("--tolerance is %v: give a number from 0 to 1", tolerances.Tolerance)
			case !(tolerances.Pixels >= 0 && tolerances.Pixels < 1):
				return failure.Usage("--pixels is %v: give a share from 0 to 1", tolerances.Pixels)
			}
			runs, err := bounds.options(cmd)
			if err != nil {
				return err
			}
			return verify(cmd.Context(), cmd.OutOrStdout(), args[0], runs, tolerances)
		},
	}
	cmd.Flags().Float64Var(&tolerances.Tolerance, "tolerance", 1e-5, "how much a number that is not whole may differ, relative to the larger one")
	cmd.Flags().Float64Var(&tolerances.Pixels, "pixels", 1e-5, "the share of a picture's pixels that may differ")
	bounds.add(cmd)
	return cmd
}

func verify(ctx context.Context, out io.Writer, path string, runs runner.Options, tolerances compare.Options) error {
	published, err := publication.ReadPublished(path)
	if err != nil {
		return err
	}
	machine, err := provision.ThisMachine()
	if err != nil {
		return err
	}
	if err := machine.Ensure(ctx, os.Stderr, provision.Options{RunOnly: true}); err != nil {
		return err
	}
	if runs.Spec, err = machine.KernelSpec(); err != nil {
		return err
	}
	again, err := published.Again(ctx, machine, path, runs)
	if err != nil {
		return err
	}
	required := modulesAt(ctx, machine, published.Record.Commit)
	findings := publication.Verdict(published, again, required, path, tolerances)
	printFindings(out, findings)
	return verdict(path, findings, again.Failed)
}

// modulesAt returns the versions that a commit of the checkout requires; nil where it does not have it.
func modulesAt(ctx context.Context, machine *provision.Machine, commit string) map[string]string {
	if !commitHash.MatchString(commit) {
		return nil // not to be read as an option, or as a revision that means another commit each day
	}
	mod, err := exec.CommandContext(ctx, "git", "-C", machine.Checkout, "show", commit+":go.mod").Output()
	if err != nil {
		return nil
	}
	family, err := processes.New()
	if err != nil {
		return nil
	}
	defer family.Close()
	path := filepath.Join(family.Temporary(), "go.mod")
	if os.WriteFile(path, mod, 0o600) != nil {
		return nil
	}
	modules, err := machine.Modules(ctx, path)
	if err != nil {
		return nil
	}
	return modules
}

// commitHash matches the whole name of a commit.
var commitHash = regexp.MustCompile(`^[0-9a-f]{40,64}$`)

func printFindings(out io.Writer, findings []publication.Finding) {
	rows := table.NewWriter()
	rows.SuppressTrailingSpaces()
	rows.SetStyle(table.StyleLight)
	rows.Style().Options = table.OptionsNoBordersAndSeparators
	for _, f := range findings {
		rows.AppendRow(table.Row{f.What, f.State, f.Detail})
	}
	fmt.Fprintln(out, rows.Render())
}

// verdict is nil where nothing speaks against the notebook, else an error that names what does.
func verdict(path string, findings []publication.Finding, failed error) error {
	wrong, first := 0, ""
	for _, f := range findings {
		if f.Wrong() {
			if wrong++; wrong == 1 {
				first = fmt.Sprintf("%s %s: %s", f.What, f.State, f.Detail)
			}
		}
	}
	switch {
	case wrong == 1:
		return failure.Work("%s: not the same: %s", path, first)
	case wrong > 1:
		return failure.Work("%s: not the same: %s (and %d more, see the table)", path, first, wrong-1)
	case failed != nil:
		return failed
	}
	return nil
}
