package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"tokenfuse/datasets"
	"tokenfuse/lib/train"
	"tokenfuse/lib/vit"
)

// trainCard says how weights were made.
func trainCard(recipe train.Recipe, training, test datasets.Source, backend string, m *vit.Model, accuracy float64, took time.Duration, commit string) (string, error) {
	text, err := json.MarshalIndent(recipe, "", "  ")
	if err != nil {
		return "", err
	}
	from := "random weights"
	switch recipe.InitialWeights {
	case "":
	case train.Pretrained:
		from = "the published weights (`vit.Load`)"
	default:
		data, err := os.ReadFile(recipe.InitialFile())
		if err != nil {
			return "", err
		}
		from = fmt.Sprintf("`initial_weights`, SHA-256 `%x`", sha256.Sum256(data))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", recipe.Model)
	fmt.Fprintf(&b, "A Vision Transformer of %d parameters, trained by Tokenfuse.\n\n", m.Config.ParameterCount())
	fmt.Fprintf(&b, "| | |\n|---|---|\n")
	for _, row := range [][2]string{
		{"command", "`go run ./kernel train --recipe recipe.json --output DIR`, the recipe below"},
		{"accuracy", fmt.Sprintf("%.4f top-1 on the %d test images, after the last epoch", accuracy, test.Len())},
		{"seed", fmt.Sprint(recipe.Seed)},
		{"from", from},
		{"training images", described(training)},
		{"test images", described(test)},
		{"commit", commit},
		{"backend", fmt.Sprintf("%s, %s/%s, %d cores", backend, runtime.GOOS, runtime.GOARCH, runtime.NumCPU())},
		{"time", fmt.Sprintf("%s in the process that finished it", took.Round(time.Second))},
	} {
		fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
	}
	fmt.Fprintf(&b, "\n```json\n%s\n```\n", text)
	return b.String(), nil
}
