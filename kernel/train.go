package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/train"
	"tokenfuse/lib/whole"
)

func newTrainCommand() *cobra.Command {
	var f trainFlags
	cmd := &cobra.Command{
		Use:   "train --output DIR",
		Short: "Train a model by a recipe; started again, it goes on where it stopped",
		Long: `Trains a model by a recipe: one that comes with Tokenfuse (--list), or a JSON file
(--show prints one to begin with; go doc tokenfuse/lib/train.Recipe explains its
fields). Without --recipe it is fashion-mnist, which made the model that comes with
Tokenfuse.

DIR gets recipe.json, log.jsonl (a line per epoch: loss and its parts, learning rate,
accuracy, seconds) and checkpoint.safetensors, and at the end the weights with a card
that says how they were made; of a recipe with "ema" these are the moving average of
the weights, and last.safetensors the weights themselves. Interrupted or killed, the
run goes on from its last checkpoint when the same command is given again, to the same
weights.`,
		Example: `  go run ./kernel train --list
  go run ./kernel train --output out/fmnist
  go run ./kernel train --recipe cifar --epochs 5 --output out/cifar
  go run ./kernel train --recipe mctf-finetune --show > recipe.json
  go run ./kernel train --recipe recipe.json --data imagenet --output out/mctf`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	cmd.Flags().StringVar(&f.recipe, "recipe", "fashion-mnist", "a recipe's `NAME` (see --list), or a FILE.json; fields left out take fashion-mnist's values")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "folder of the run")
	cmd.Flags().StringVar(&f.data, "data", "", "folder that holds the images' files")
	cmd.Flags().IntVar(&f.epochs, "epochs", 0, "epochs, instead of the recipe's")
	cmd.Flags().Int64Var(&f.seed, "seed", 0, "seed, instead of the recipe's")
	cmd.Flags().IntVar(&f.logEvery, "log-every", 0, "steps between lines of the log, beside those of each epoch; 0 is none")
	cmd.Flags().IntVar(&f.checkpointEvery, "checkpoint-every", 0, "steps between checkpoints; 0 is once an epoch")
	cmd.Flags().IntVar(&f.devices, "devices", 1, "devices that share the images of a step")
	cmd.Flags().BoolVar(&f.list, "list", false, "list the recipes that come with Tokenfuse")
	cmd.Flags().BoolVar(&f.show, "show", false, "print the recipe and train nothing")
	return cmd
}

// trainFlags are what the command line says.
type trainFlags struct {
	recipe, output, data                       string
	epochs, logEvery, checkpointEvery, devices int
	seed                                       int64
	list, show                                 bool
}

func (f *trainFlags) run(cmd *cobra.Command) error {
	if f.list {
		return listRecipes(cmd.OutOrStdout())
	}
	recipe, err := readRecipe(f.recipe)
	if err != nil {
		return failure.Usage("%w", err)
	}
	if cmd.Flags().Changed("epochs") {
		recipe.Epochs = f.epochs
		recipe.WarmUpEpochs = min(recipe.WarmUpEpochs, float64(f.epochs))
	}
	if cmd.Flags().Changed("seed") {
		recipe.Seed = f.seed
	}
	if err := recipe.Validate(); err != nil {
		return failure.Usage("%w", err)
	}
	if f.show {
		text, err := json.MarshalIndent(recipe, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n", text)
		return nil
	}
	if f.output == "" {
		return failure.Usage("train: name the folder of the run with --output")
	}
	return f.train(cmd.Context(), cmd.OutOrStdout(), os.Stderr, recipe)
}

// readRecipe returns a recipe that comes with Tokenfuse, or that of a JSON file.
func readRecipe(name string) (train.Recipe, error) {
	if filepath.Ext(name) != ".json" {
		return train.RecipeByName(name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return train.Recipe{}, fmt.Errorf("recipe: %w", err)
	}
	recipe, err := train.ParseRecipe(text)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return recipe, err
}

// listRecipes prints a line for each recipe.
func listRecipes(out io.Writer) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"recipe", "model", "dataset", "epochs", "batch", "fusion"})
	for _, name := range train.Recipes() {
		r, err := train.RecipeByName(name)
		if err != nil {
			return err
		}
		method := "none"
		if len(r.Fusion) > 0 {
			m, err := fusion.ParseJSON(r.Fusion)
			if err != nil {
				return err
			}
			method = m.Name()
		}
		if r.Consistency != nil {
			method += ", consistency"
		}
		t.AppendRow(table.Row{name, r.Model, r.Dataset, r.Epochs, r.BatchSize, method})
	}
	_, err := fmt.Fprintln(out, t.Render())
	return err
}

func (f *trainFlags) train(ctx context.Context, out, progress io.Writer, recipe train.Recipe) error {
	began, commit, dir := time.Now(), commitOf("."), f.output
	training, test, err := trainingImages(ctx, progress, recipe, f.data)
	if err != nil {
		return err
	}
	backend, err := accel.Backend()
	if err != nil {
		return &failure.Error{Code: failure.CodeMissing, Err: err}
	}
	about := training.About()
	fmt.Fprintf(progress, "training %s on %d images of %s %s, %d epochs, %s\n", recipe.Model, training.Len(), about.Name, about.Split, recipe.Epochs, accel.Name(backend))
	m, accuracy, err := train.Run(ctx, recipe, train.Options{
		Dir: dir, Backend: backend, Train: training, Test: test, Devices: f.devices, LogEvery: f.logEvery, CheckpointEvery: f.checkpointEvery,
		Progress: trainProgress(progress),
	})
	if stopped, ok := errors.AsType[*train.Interrupted](err); ok {
		return &failure.Error{Code: failure.CodeInterrupted, Err: stopped}
	}
	if err != nil {
		return err
	}
	path := filepath.Join(dir, recipe.Model+".safetensors")
	if err := m.Save(path, map[string]string{"model": recipe.Model, "format": "timm"}); err != nil {
		return err
	}
	text, err := trainCard(recipe, training, test, accel.Name(backend), m, accuracy, time.Since(began), commit)
	if err != nil {
		return err
	}
	if err := whole.WriteFile(filepath.Join(dir, recipe.Model+".md"), []byte(text), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: accuracy_top1 %.4f on %d test images; weights in %s\n", recipe.Model, accuracy, test.Len(), path)
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
		left := ""
		if p.PerStep > 0 {
			left = fmt.Sprintf(", %s left", (p.PerStep * time.Duration(p.Steps-p.Step)).Round(time.Second))
		}
		if !terminal && p.Accuracy < 0 && time.Since(told) > time.Minute {
			told = time.Now()
			fmt.Fprintf(w, "step %d of %d: loss %.4f%s\n", p.Step, p.Steps, p.Loss, left)
		}
		if p.Accuracy >= 0 {
			if bar != nil {
				_ = bar.Clear()
			}
			average := ""
			if p.EMAAccuracy >= 0 {
				average = fmt.Sprintf(" (average %.4f)", p.EMAAccuracy)
			}
			fmt.Fprintf(w, "epoch %.0f: loss %.4f, test accuracy %.4f%s%s\n", p.Epoch, p.Loss, p.Accuracy, average, left)
		}
	}
}
