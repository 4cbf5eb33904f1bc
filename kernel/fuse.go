package main

import (
	"os"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/weights"
)

func newFuseCommand() *cobra.Command {
	var config, input, output string
	cmd := &cobra.Command{
		Use:   "fuse --config STEP.json --input FILE.safetensors --output FILE.safetensors",
		Short: "One fusion step on given tensors",
		Long: `Reads x [batch, tokens, dim] and what the method decides by: attn [batch, heads, tokens, tokens]
(mctf, evit), metric [batch, tokens, dim'] (tome), values [batch, heads, tokens, dim'], or its learned
weights by their names; and size [batch, tokens, 1] where it is there. Writes x, size,
source (0/1, [batch, fused tokens, tokens]), and attn when one_step_ahead is on. Where nothing is
to be fused it writes its inputs and the identity.

STEP.json is FUSION.json without "layers", with "protected" (leading tokens that stay, 1) and
"protected_rule" ("tokens", or "rows" as MCTF's official code).`,
		Example: `  echo '{"method":"mctf","r":6}' > step.json
  go run ./kernel fuse --config step.json --input in.safetensors --output out.safetensors`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runFuse(config, input, output) },
	}
	cmd.Flags().StringVar(&config, "config", "", "the step, STEP.`json`")
	cmd.Flags().StringVarP(&input, "input", "i", "", "safetensors `FILE` to read")
	cmd.Flags().StringVarP(&output, "output", "o", "", "safetensors `FILE` to write")
	for _, name := range []string{"config", "input", "output"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}

func runFuse(config, input, output string) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return failure.Usage("config: %w", err)
	}
	step, err := fusion.ParseSingle(text)
	if err != nil {
		return failure.Usage("%s: %w", config, err)
	}
	file, err := weights.Read(input)
	if err != nil {
		return failure.Usage("%w", err)
	}
	if err := writable(output); err != nil {
		return err
	}
	in := fusion.Tensors{X: file.Tensors["x"], Attn: file.Tensors["attn"], Metric: file.Tensors["metric"], Values: file.Tensors["values"],
		Size: file.Tensors["size"], Learned: file.Tensors}
	if err := step.Check(in); err != nil {
		return failure.Usage("%s: %w", input, err)
	}
	b, err := backend()
	if err != nil {
		return err
	}
	out, err := step.Run(b, in)
	if err != nil {
		return err
	}
	all := map[string]*tensors.Tensor{"x": out.X, "size": out.Size, "source": out.Source}
	if out.Attn != nil {
		all["attn"] = out.Attn
	}
	return weights.Write(output, &weights.File{Tensors: all})
}
