package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"tokenfuse/lib/flops"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// modelRow is a model as `models` lists it.
type modelRow struct {
	Name       string     `json:"name"`
	Parameters int        `json:"parameters"`
	GMACs      float64    `json:"gmacs"`
	Trained    bool       `json:"trained"` // weights come with Tokenfuse
	WeightsURL string     `json:"weights_url,omitempty"`
	Config     vit.Config `json:"config"`
	Source     string     `json:"source"`
}

func newModelsCommand() *cobra.Command {
	var asJSON, asMarkdown bool
	cmd := &cobra.Command{
		Use:     "models",
		Short:   "The models known by name, with their parameters and GMACs",
		Example: "  go run ./kernel models\n  go run ./kernel models --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := modelRows()
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(rows)
			}
			render(cmd.OutOrStdout(), modelTable(rows), asMarkdown)
			return nil
		},
	}
	listFlags(cmd, &asJSON, &asMarkdown)
	return cmd
}

func modelRows() ([]modelRow, error) {
	var rows []modelRow
	for _, m := range vit.Models() {
		count, err := flops.Of(m.Config, fusion.None{})
		if err != nil {
			return nil, err
		}
		_, err = vit.Card(m.Name)
		rows = append(rows, modelRow{m.Name, m.Config.ParameterCount(), count.GMACs, err == nil, vit.WeightsURL(m.Name), m.Config, m.Source})
	}
	return rows, nil
}

func modelTable(rows []modelRow) table.Writer {
	t := table.NewWriter()
	t.AppendHeader(table.Row{"model", "image", "tokens", "dim", "depth", "heads", "parameters (M)", "GMACs", "weights", "source"})
	for _, r := range rows {
		c, weights := r.Config, "yours"
		switch {
		case r.Trained:
			weights = "included"
		case r.WeightsURL != "":
			weights = "downloaded"
		}
		t.AppendRow(table.Row{r.Name, c.ImageSize, c.Tokens(), c.Dim, c.Depth, c.Heads,
			fmt.Sprintf("%.2f", float64(r.Parameters)/1e6), gmacs(r.GMACs), weights, r.Source})
	}
	return t
}

func newMethodsCommand() *cobra.Command {
	var asJSON, asMarkdown bool
	cmd := &cobra.Command{
		Use:   "methods",
		Short: "The fusion methods, with their parameters, defaults and papers",
		Long: `Lists the fusion methods. The defaults are FUSION.json with every field at its published value, or at
ours where it says so: no paper gives one for the random floors, and those of ATM's were not at hand.
SPEC is the same in short: METHOD:field=value,field=value.`,
		Example: "  go run ./kernel methods\n  go run ./kernel methods --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			switch {
			case asJSON:
				type row struct {
					Name     string          `json:"name"`
					Kind     string          `json:"kind"`
					Defaults json.RawMessage `json:"defaults"`
					Paper    string          `json:"paper"`
					Summary  string          `json:"summary"`
					Own      bool            `json:"own_defaults,omitempty"` // the defaults are not published ones
				}
				var rows []row
				for _, m := range fusion.Methods() {
					rows = append(rows, row{m.Name, string(m.Kind), json.RawMessage(m.Defaults), m.Paper, m.Summary, m.OwnDefaults})
				}
				return json.NewEncoder(out).Encode(rows)
			case asMarkdown:
				render(out, methodTable(), true)
			default:
				for _, m := range fusion.Methods() {
					fmt.Fprintf(out, "%s: %s\n  kind      %s\n  paper     %s\n  defaults  %s%s\n", m.Name, m.Summary, m.Kind, m.Paper, m.Defaults, ours(m))
				}
			}
			return nil
		},
	}
	listFlags(cmd, &asJSON, &asMarkdown)
	return cmd
}

// ours marks defaults that are not published ones.
func ours(m fusion.Description) string {
	if m.OwnDefaults {
		return " (ours)"
	}
	return ""
}

func methodTable() table.Writer {
	t := table.NewWriter()
	t.AppendHeader(table.Row{"method", "kind", "what it does", "fields and their defaults", "paper"})
	for _, m := range fusion.Methods() {
		_, fields, _ := strings.Cut(strings.TrimSuffix(m.Defaults, "}"), ",")
		if fields != "" {
			fields = "`" + fields + "`" + ours(m)
		}
		t.AppendRow(table.Row{m.Name, m.Kind, m.Summary, fields, m.Paper})
	}
	return t
}

func listFlags(cmd *cobra.Command, asJSON, asMarkdown *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "one JSON array")
	cmd.Flags().BoolVar(asMarkdown, "markdown", false, "a Markdown table")
	cmd.MarkFlagsMutuallyExclusive("json", "markdown")
}

// render writes a table for a terminal, or as Markdown.
func render(out io.Writer, t table.Writer, asMarkdown bool) {
	if asMarkdown {
		fmt.Fprintln(out, t.RenderMarkdown())
		return
	}
	t.SetStyle(plainTable())
	fmt.Fprintln(out, t.Render())
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
