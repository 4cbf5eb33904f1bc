package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tokenfuse/datasets"
	"tokenfuse/kernel/internal/failure"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/train"
	"tokenfuse/lib/vit"
)

func newTrainCommand() *cobra.Command {
	var (
		recipeFile, output, data string
		epochs                   int
		seed                     int64
	)
	cmd := &cobra.Command{
		Use:   "train --output DIR",
		Short: "Train a model by a recipe; started again, it goes on where it stopped",
		Long: `Trains a model by a recipe (JSON; without one, that of vit_fmnist_patch4_28, the
model that comes with Tokenfuse). DIR gets recipe.json, log.jsonl (a line per epoch) and
checkpoint.safetensors, and at the end the weights with a card that says how they were made.
Interrupted, the run goes on from its last checkpoint when the same command is given again.`,
		Example: `  go run ./kernel train --output out/fmnist
  go run ./kernel train --recipe recipe.json --epochs 5 --output out/try`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			recipe := train.FashionMNIST()
			if recipeFile != "" {
				text, err := os.ReadFile(recipeFile)
				if err != nil {
					return failure.Usage("recipe: %w", err)
				}
				if recipe, err = train.ParseRecipe(text); err != nil {
					return failure.Usage("%s: %w", recipeFile, err)
				}
			}
			if cmd.Flags().Changed("epochs") {
				recipe.Epochs = epochs
			}
			if cmd.Flags().Changed("seed") {
				recipe.Seed = seed
			}
			if err := recipe.Validate(); err != nil {
				return failure.Usage("%w", err)
			}
			ctx, cancel := whileParentLives(cmd.Context())
			defer cancel()
			return runTrain(ctx, cmd.OutOrStdout(), os.Stderr, recipe, output, data)
		},
	}
	cmd.Flags().StringVar(&recipeFile, "recipe", "", "recipe `FILE`.json; fields left out take the default recipe's values")
	cmd.Flags().StringVarP(&output, "output", "o", "", "folder of the run")
	cmd.Flags().StringVar(&data, "data", "", "folder that holds the images' files")
	cmd.Flags().IntVar(&epochs, "epochs", 0, "epochs, instead of the recipe's")
	cmd.Flags().Int64Var(&seed, "seed", 0, "seed, instead of the recipe's")
	_ = cmd.MarkFlagRequired("output")
	return cmd
}

func runTrain(ctx context.Context, out, progress io.Writer, recipe train.Recipe, dir, data string) error {
	began, commit := time.Now(), commitOf(".")
	options := []datasets.Option{datasets.WithContext(ctx), datasets.WithProgress(progress)}
	if data != "" {
		options = append(options, datasets.From(data))
	}
	images := map[datasets.Split]*datasets.Images{}
	for _, split := range []datasets.Split{datasets.Train, datasets.Test} {
		loaded, err := datasets.FashionMNIST(split, options...)
		if errors.Is(err, datasets.ErrNotFound) {
			return &failure.Error{Code: failure.CodeMissing, Err: err}
		}
		if err != nil {
			return err
		}
		images[split] = loaded
	}
	backend, err := accel.Backend()
	if err != nil {
		return &failure.Error{Code: failure.CodeMissing, Err: err}
	}
	fmt.Fprintf(progress, "training %s on %s, %d epochs, %s\n", recipe.Model, images[datasets.Train], recipe.Epochs, accel.Name(backend))
	m, accuracy, err := train.Run(ctx, recipe, train.Options{
		Dir: dir, Backend: backend, Train: images[datasets.Train], Test: images[datasets.Test],
		Progress: trainProgress(progress),
	})
	if ctx.Err() != nil {
		return fmt.Errorf("stopped at a checkpoint in %s: the same command goes on from it: %w", dir, ctx.Err())
	}
	if err != nil {
		return err
	}
	path := filepath.Join(dir, recipe.Model+".safetensors")
	if err := m.Save(path, map[string]string{"model": recipe.Model, "format": "timm"}); err != nil {
		return err
	}
	text, err := trainCard(recipe, images, accel.Name(backend), m, accuracy, time.Since(began), commit)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, recipe.Model+".md"), []byte(text), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: accuracy_top1 %.4f on %d test images; weights in %s\n", recipe.Model, accuracy, images[datasets.Test].Len(), path)
	return nil
}

// trainProgress shows a bar on a terminal, else a line each minute; and a line per epoch.
func trainProgress(w io.Writer) func(train.Progress) {
	var bar *progressbar.ProgressBar
	terminal, told := false, time.Now()
	if f, ok := w.(*os.File); ok {
		terminal = term.IsTerminal(int(f.Fd()))
	}
	return func(p train.Progress) {
		if terminal {
			if bar == nil {
				bar = progressbar.NewOptions(p.Steps, progressbar.OptionSetWriter(w), progressbar.OptionShowCount(),
					progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(200*time.Millisecond))
			}
			bar.Describe(fmt.Sprintf("loss %.3f", p.Loss))
			_ = bar.Set(p.Step)
		}
		left := (p.PerStep * time.Duration(p.Steps-p.Step)).Round(time.Second)
		if !terminal && p.Accuracy < 0 && time.Since(told) > time.Minute {
			told = time.Now()
			fmt.Fprintf(w, "step %d of %d: loss %.4f, %s left\n", p.Step, p.Steps, p.Loss, left)
		}
		if p.Accuracy >= 0 {
			if bar != nil {
				_ = bar.Clear()
			}
			fmt.Fprintf(w, "epoch %.0f: loss %.4f, test accuracy %.4f, %s left\n", p.Epoch, p.Loss, p.Accuracy, left)
		}
	}
}

// trainCard says how weights were made.
func trainCard(recipe train.Recipe, images map[datasets.Split]*datasets.Images, backend string, m *vit.Model, accuracy float64, took time.Duration, commit string) (string, error) {
	text, err := json.MarshalIndent(recipe, "", "  ")
	if err != nil {
		return "", err
	}
	from := "random weights"
	if recipe.InitialWeights != "" {
		data, err := os.ReadFile(recipe.InitialWeights)
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
		{"accuracy", fmt.Sprintf("%.4f top-1 on the %d test images, after the last epoch", accuracy, images[datasets.Test].Len())},
		{"seed", fmt.Sprint(recipe.Seed)},
		{"from", from},
		{"training images", fmt.Sprintf("%d, SHA-256 of their content `%s`", images[datasets.Train].Len(), images[datasets.Train].SHA256())},
		{"test images", fmt.Sprintf("%d, SHA-256 of their content `%s`", images[datasets.Test].Len(), images[datasets.Test].SHA256())},
		{"commit", commit},
		{"backend", fmt.Sprintf("%s, %s/%s, %d cores", backend, runtime.GOOS, runtime.GOARCH, runtime.NumCPU())},
		{"time", fmt.Sprintf("%s in the process that finished it", took.Round(time.Second))},
	} {
		fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
	}
	fmt.Fprintf(&b, "\n```json\n%s\n```\n", text)
	return b.String(), nil
}
