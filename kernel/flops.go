package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/lib/flops"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

func newFlopsCommand() *cobra.Command {
	var (
		model, size, spec, target string
		asJSON                    bool
	)
	cmd := &cobra.Command{
		Use:   "flops --model NAME|CONFIG.json [--fusion FUSION.json|SPEC] [--target GMACS|SHARE%]",
		Short: "Multiply-accumulates of a model under a fusion method, per layer and in all",
		Long: `Counts what the papers print as FLOPs: one multiply-accumulate is one. Counted are matrix
products and convolutions, the method's matching, layer norms as 5 per element and batch norms as 2.
The matching, which papers leave out, is also shown apart.

With --target it finds the method's setting (r, or the keep rate) that costs no more than so many GMACs,
or than a share of the base model, and removes the least: methods compare fairly at equal cost. Of
methods whose number of tokens depends on the image it counts the most there can be, and says so.`,
		Example: `  go run ./kernel flops --model deit_small_patch16_224 --fusion mctf:r=16
  go run ./kernel flops --model deit_tiny_patch16_224 --fusion mctf:r=0.35,layers=3,6,9 --json
  go run ./kernel flops --model deit_small_patch16_224 --fusion tome --target 60%`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			name, config, err := modelConfigAt(model, size)
			if err != nil {
				return err
			}
			method, err := fusionMethod(spec)
			if err != nil {
				return err
			}
			count, err := flops.Of(config, method)
			if cmd.Flags().Changed("target") && err == nil {
				method, count, err = meet(config, method, target)
			}
			if err != nil {
				return failure.Usage("%w", err)
			}
			count.Model = name
			if count.Fusion, err = json.Marshal(method); err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(count)
			}
			printFlops(cmd.OutOrStdout(), count)
			return nil
		},
	}
	cmd.Flags().StringVar(&model, "model", "", "model `NAME`, or CONFIG.json (see models)")
	cmd.Flags().StringVar(&size, "image-size", "", imageSizeUsage)
	cmd.Flags().StringVar(&spec, "fusion", "", "FUSION.json or `SPEC` such as mctf:r=16,layers=1-11 (see methods)")
	cmd.Flags().StringVar(&target, "target", "", "find the setting that costs at most so many `GMACS`, or a share of the base model such as 56%")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	_ = cmd.MarkFlagRequired("model")
	return cmd
}

// meet finds the setting of a method that meets a target.
func meet(config vit.Config, method fusion.Method, target string) (fusion.Method, flops.Count, error) {
	t, err := flops.ParseTarget(target)
	if err != nil {
		return nil, flops.Count{}, err
	}
	return flops.Schedule(config, method, t)
}

func printFlops(w io.Writer, c flops.Count) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(plainTable())
	t.AppendHeader(table.Row{"layer", "tokens in", "tokens out", "MMACs", "of which matching"})
	t.AppendRow(table.Row{"stem", "", c.Layers[0].Entering, mega(c.Embed), ""})
	for _, l := range c.Layers {
		t.AppendRow(table.Row{l.Index, l.Entering, l.Leaving, mega(l.MACs), mega(l.Matching)})
	}
	t.AppendRow(table.Row{"norm and head", c.Layers[len(c.Layers)-1].Leaving, "", mega(c.Head), ""})
	t.AppendSeparator()
	t.AppendRow(table.Row{"in all", "", "", mega(c.Total), mega(c.Matching)})
	t.Render()
	fmt.Fprintf(w, "%s under %s: %s GMACs (%s without the matching, as papers count)\n", c.Model, c.Fusion,
		gmacs(c.GMACs), gmacs(c.GMACs-float64(c.Matching)/1e9))
	if c.Bound {
		fmt.Fprintln(w, "This is a bound: how many tokens are left depends on the image. Rows of results count it image by image.")
	}
}

func mega(macs int) string { return fmt.Sprintf("%.2f", float64(macs)/1e6) }
