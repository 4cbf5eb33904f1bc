package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/provision"
	"tokenfuse/lib/accel"
)

func newSetupCommand() *cobra.Command {
	var cuda, noJupyter, clearCache bool
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Install what is missing: GoNB, XLA, the kernel \"Go (Tokenfuse)\", JupyterLab",
		Long: `Installs, for you alone and without root, what is missing: GoNB with goimports and gopls; the XLA
plugin; the kernelspec "Go (Tokenfuse)"; JupyterLab in a Python environment of its own. What is
there already is left as it is: a second run downloads nothing.

The parts go to $TOKENFUSE_HOME, else $XDG_DATA_HOME/tokenfuse, else ~/.local/share/tokenfuse; the
kernelspec to your Jupyter data folder. lab, run and test do all this by themselves.`,
		Example: `  go run ./kernel setup
  go run ./kernel setup --no-jupyter
  go run ./kernel setup --cuda
  go run ./kernel setup --clear-cache`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if clearCache {
				return emptyCache(cmd.OutOrStdout())
			}
			machine, err := provision.ThisMachine()
			if err != nil {
				return err
			}
			opts := provision.Options{CUDA: cuda, NoJupyter: noJupyter, Thorough: true}
			if err := machine.Ensure(cmd.Context(), cmd.ErrOrStderr(), opts); err != nil {
				return err
			}
			printInstalled(cmd.OutOrStdout(), machine)
			return nil
		},
	}
	cmd.Flags().BoolVar(&cuda, "cuda", false, "also install XLA for NVIDIA GPUs (linux/amd64; some gigabytes)")
	cmd.Flags().BoolVar(&noJupyter, "no-jupyter", false, "leave JupyterLab out; run and verify do not need it")
	cmd.Flags().BoolVar(&clearCache, "clear-cache", false, "only empty the compile cache, where compiled graphs are kept")
	cmd.MarkFlagsMutuallyExclusive("clear-cache", "cuda")
	cmd.MarkFlagsMutuallyExclusive("clear-cache", "no-jupyter")
	return cmd
}

// emptyCache empties the compile cache and says what went.
func emptyCache(w io.Writer) error {
	before := accel.Cache()
	if err := accel.ClearCache(); err != nil {
		return err
	}
	fmt.Fprintf(w, "The compile cache in %s is empty; it held %d entries, %.1f MiB.\n", before.Dir, before.Entries, float64(before.Bytes)/(1<<20))
	return nil
}

// printInstalled says where the parts are and how to remove them.
func printInstalled(w io.Writer, machine *provision.Machine) {
	fmt.Fprintf(w, "Tokenfuse is set up in %s, its kernel in %s.\n", machine.Home, machine.SpecDir())
	fmt.Fprintf(w, "  what is there:  go run ./kernel doctor\n")
	fmt.Fprintf(w, "  to remove it:   rm -rf %q %q\n", machine.Home, machine.SpecDir())
}
