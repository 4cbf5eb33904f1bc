package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/provision"
	"tokenfuse/lib/accel"
)

func newDoctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is installed, what is not, and the command that cures it",
		Long: `Looks at each part and changes nothing. Exit code 3 when something is missing without which notebooks
do not run: go, gonb, goimports, the kernelspec. The rest is for speed (a C compiler, XLA) or for
comfort (gopls, JupyterLab and its Python).`,
		Example: `  go run ./kernel doctor
  go run ./kernel doctor --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			machine, err := provision.ThisMachine()
			if err != nil {
				return err
			}
			report, err := machine.Inspect(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				err = encoder.Encode(report)
			} else {
				printReport(cmd.OutOrStdout(), report)
			}
			if missing, ok := report.Missing(); ok && err == nil {
				return failure.Missing(missing.Cure, "%s is missing", missing.Name)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

func printReport(w io.Writer, report provision.Report) {
	rows := table.NewWriter()
	rows.SuppressTrailingSpaces()
	rows.SetStyle(table.StyleLight)
	rows.Style().Options = table.OptionsNoBordersAndSeparators
	for _, part := range report.Parts {
		switch {
		case part.Found:
			rows.AppendRow(table.Row{"ok", part.Name, part.Version, part.Path})
		default:
			rows.AppendRow(table.Row{"--", part.Name, "missing", "cure: " + part.Cure})
			if part.Note != "" {
				rows.AppendRow(table.Row{"", "", "", "(" + part.Note + ")"})
			}
		}
	}
	fmt.Fprintln(w, rows.Render())
	fmt.Fprintf(w, "\nbackend: %s (%s)\n", report.Backend, report.BackendNote)
	printCache(w, report.CompileCache)
}

// printCache says where the compile cache is and what it is good for.
func printCache(w io.Writer, cache accel.CacheReport) {
	if cache.Note != "" {
		fmt.Fprintf(w, "compile cache: none (%s)\n", cache.Note)
		return
	}
	fmt.Fprintf(w, "compile cache: %s (%d entries, %.1f of at most %d MiB; %d graphs loaded, %d compiled; to empty it: %s --clear-cache)\n",
		cache.Dir, cache.Entries, float64(cache.Bytes)/(1<<20), cache.Limit>>20, cache.Hits, cache.Misses, provision.SetupCommand)
}
