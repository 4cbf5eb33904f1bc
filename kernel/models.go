package main

import (
	"encoding/json"
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"tokenfuse/lib/flops"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

func newModelsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "models",
		Short:   "The models known by name, with their parameters and GMACs",
		Example: "  go run ./kernel models\n  go run ./kernel models --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			type row struct {
				Name       string     `json:"name"`
				Parameters int        `json:"parameters"`
				GMACs      float64    `json:"gmacs"`
				Trained    bool       `json:"trained"` // weights come with Tokenfuse
				Config     vit.Config `json:"config"`
				Source     string     `json:"source"`
			}
			var rows []row
			for _, m := range vit.Models() {
				count, err := flops.Of(m.Config, fusion.None{})
				if err != nil {
					return err
				}
				_, err = vit.Card(m.Name)
				rows = append(rows, row{m.Name, m.Config.ParameterCount(), count.GMACs, err == nil, m.Config, m.Source})
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(rows)
			}
			t := table.NewWriter()
			t.SetOutputMirror(cmd.OutOrStdout())
			t.SetStyle(plainTable())
			t.AppendHeader(table.Row{"model", "image", "patch", "dim", "depth", "heads", "parameters (M)", "GMACs", "weights", "source"})
			for _, r := range rows {
				weights := "yours"
				if r.Trained {
					weights = "included"
				}
				c := r.Config
				t.AppendRow(table.Row{r.Name, c.ImageSize, c.PatchSize, c.Dim, c.Depth, c.Heads,
					fmt.Sprintf("%.2f", float64(r.Parameters)/1e6), gmacs(r.GMACs), weights, r.Source})
			}
			t.Render()
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON array")
	return cmd
}

func newMethodsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "methods",
		Short: "The fusion methods, with their parameters, defaults and papers",
		Long: `Lists the fusion methods. The defaults are FUSION.json with every field at its published value;
SPEC is the same in short: METHOD:field=value,field=value.`,
		Example: "  go run ./kernel methods\n  go run ./kernel methods --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				type row struct {
					Name     string          `json:"name"`
					Defaults json.RawMessage `json:"defaults"`
					Paper    string          `json:"paper"`
					Summary  string          `json:"summary"`
				}
				var rows []row
				for _, m := range fusion.Methods() {
					rows = append(rows, row{m.Name, json.RawMessage(m.Defaults), m.Paper, m.Summary})
				}
				return json.NewEncoder(cmd.OutOrStdout()).Encode(rows)
			}
			for _, m := range fusion.Methods() {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n  paper     %s\n  defaults  %s\n", m.Name, m.Summary, m.Paper, m.Defaults)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON array")
	return cmd
}

// gmacs prints two decimals, as the papers do, and more for small models.
func gmacs(v float64) string {
	if v < 0.1 {
		return fmt.Sprintf("%.4f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// plainTable is the look of the command's tables: names as they are, not in capitals.
func plainTable() table.Style {
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	return style
}
