package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/provision"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/bench"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/result"
	"tokenfuse/plots"
)

// benchFlags are what `bench` was told.
type benchFlags struct {
	models, fusions, imageSizes, dtypes, externals []string
	batches                                        []int
	warmup, repetitions                            int
	cut, memory, compile                           bool
	output, show, figure                           string
	asJSON, asMarkdown                             bool
}

func newBenchCommand() *cobra.Command {
	var f benchFlags
	var alone bool
	cmd := &cobra.Command{
		Use:   "bench [--model NAME|CONFIG.json]... [--fusion FUSION.json|SPEC]... [--batch 1,16,64]",
		Short: "Measure how fast models are under fusion methods, on this machine",
		Long: `Times every model under every method, with every batch and image size: all cases in one process, a
batch of each in turn, so that what else happens on the machine meets them alike. A row tells the median
and the quartiles of its batches, images per second, the speed-up over the base model (always measured
too), GMACs, and the seconds that building and compiling the graph took, which is what the first batch
took longer. A batch goes from normalised images in memory to logits in memory: the transfer to the
device is part of it. Weights are untrained; speed does not depend on them.

--cut adds, behind each method, a case that only cuts as many tokens off in the same layers, and says
which part of that gain the method keeps: what its step costs. --memory measures each case in a process
of its own as well: its peak memory, and the seconds from its start to the first logits. --compile takes
the compile time from a process of its own with the compile cache off. Where it runs is GOMLX_BACKEND's
to say, as everywhere.

--external NAME=COMMAND times another program in turn with the cases, once per model, image size,
precision and batch; {model}, {image_size}, {dtype} and {batch} in COMMAND stand for them. It is started by sh, and says a line
"ready" when it is. Then for each line "run" on its standard input it does one batch, and answers "done"
when the results are in memory. It ends when its input does. What it writes before "ready" is passed
over, what it writes to standard error is shown if it fails.`,
		Example: `  go run ./kernel bench
  go run ./kernel bench --model deit_tiny_patch16_224 --fusion mctf:r=16 --batch 1,16,64 --cut
  go run ./kernel bench --image-size 224,384,512 --batch 4 --memory --output scale.jsonl
  go run ./kernel bench --fusion mctf:r=16 --dtype float32,bfloat16
  go run ./kernel bench --fusion mctf:r=16 --external "timm=exec python timm_deit.py --batch {batch}"
  go run ./kernel bench --show scale.jsonl --markdown --figure scale.png`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if alone {
				return bench.ServeAlone(backend, cmd.InOrStdin(), cmd.OutOrStdout())
			}
			rows, err := benchRows(cmd, f)
			if err != nil {
				return err
			}
			if f.figure != "" {
				if err := drawBench(rows, f.figure); err != nil {
					return err
				}
			}
			if f.asJSON {
				return result.Write(cmd.OutOrStdout(), rows...)
			}
			printBench(cmd.OutOrStdout(), rows, f.asMarkdown)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.models, "model", []string{"deit_small_patch16_224"}, "model `NAME`, or CONFIG.json (see models)")
	flags.StringArrayVar(&f.fusions, "fusion", []string{"none", "mctf:r=16", "mctf:r=0.35,layers=3,6,9", "tome:r=13", "evit"},
		"FUSION.json or `SPEC` such as mctf:r=16,layers=1-11 (see methods)")
	flags.IntSliceVar(&f.batches, "batch", []int{16}, "images at once, in one or several `SIZES`")
	flags.StringSliceVar(&f.imageSizes, "image-size", nil, "`SIZES` of the images, numbers or HEIGHTxWIDTH, if not the model's own")
	flags.StringSliceVar(&f.dtypes, "dtype", nil, "`PRECISION` of products, one or several of float32, bfloat16, float16 (default: the model's, float32)")
	flags.StringArrayVar(&f.externals, "external", nil, "`NAME=COMMAND` of another program to time in turn")
	flags.IntVar(&f.repetitions, "repetitions", 9, "batches that are timed")
	flags.IntVar(&f.warmup, "warmup", 2, "batches before those")
	flags.BoolVar(&f.cut, "cut", false, "behind each method, only cut as many tokens off")
	flags.BoolVar(&f.memory, "memory", false, "peak memory and start, each case in a process of its own")
	flags.BoolVar(&f.compile, "compile", false, "compile time without the compile cache, each case in a process of its own")
	flags.StringVarP(&f.output, "output", "o", "", "JSON Lines `FILE` to write")
	flags.StringVar(&f.show, "show", "", "measure nothing: show the rows of a `FILE` written earlier")
	flags.StringVar(&f.figure, "figure", "", "draw time and memory over the size of the images into a `FILE`, .png or .svg")
	flags.BoolVar(&alone, "alone", false, "")
	_ = flags.MarkHidden("alone") // how the command starts itself for one case, told on standard input
	listFlags(cmd, &f.asJSON, &f.asMarkdown)
	flags.Lookup("json").Usage = "JSON Lines"
	return cmd
}

// drawBench saves the figure of rows.
func drawBench(rows []result.Row, path string) error {
	figure, err := plots.Scale(rows)
	if err != nil {
		return failure.Usage("%w", err)
	}
	return figure.Save(path)
}

// benchRows measures, or reads what was measured.
func benchRows(cmd *cobra.Command, f benchFlags) ([]result.Row, error) {
	if f.show != "" {
		rows, err := result.ReadFile(f.show)
		if err != nil {
			return nil, failure.Usage("%w", err)
		}
		return rows, nil
	}
	cases, err := benchCases(f)
	if err != nil {
		return nil, err
	}
	if f.output != "" {
		if err := writable(f.output); err != nil {
			return nil, err
		}
	}
	rows, err := measure(cmd.Context(), cmd.ErrOrStderr(), cases, f)
	if err != nil || f.output == "" {
		return rows, err
	}
	return rows, result.WriteFile(f.output, rows)
}

// benchCases are all combinations of what the flags list; a case that cannot be is bad usage.
func benchCases(f benchFlags) ([]bench.Case, error) {
	if f.repetitions < 1 || f.warmup < 0 {
		return nil, failure.Usage("--repetitions is %d and --warmup %d, want 1 or more and 0 or more", f.repetitions, f.warmup)
	}
	methods, err := benchMethods(f.fusions)
	if err != nil {
		return nil, err
	}
	sizes := f.imageSizes
	if len(sizes) == 0 {
		sizes = []string{""}
	}
	dtypes := f.dtypes
	if len(dtypes) == 0 {
		dtypes = []string{""}
	}
	var cases []bench.Case
	for _, model := range f.models {
		for _, size := range sizes {
			name, config, err := modelConfigAt(model, size)
			if err != nil {
				return nil, err
			}
			for _, dtype := range dtypes {
				if config, err = inDType(config, dtype); err != nil {
					return nil, err
				}
				at, err := benchBatches(f, bench.Case{Model: name, Config: config}, model, methods)
				if err != nil {
					return nil, err
				}
				cases = append(cases, at...)
			}
		}
	}
	return cases, nil
}

// benchBatches are the cases of one model at one image size and precision.
func benchBatches(f benchFlags, at bench.Case, model string, methods []bench.Labelled) (cases []bench.Case, err error) {
	for _, at.Batch = range f.batches {
		own, err := bench.Grid(at, methods, f.cut)
		if err != nil {
			return nil, failure.Usage("%w", err)
		}
		cases = append(cases, own...)
		for _, external := range f.externals {
			c, err := benchExternal(f, at, model, external)
			if err != nil {
				return nil, err
			}
			cases = append(cases, c)
		}
	}
	return cases, nil
}

// benchMethods reads --fusion, and puts the base model in front if it is not among them.
func benchMethods(specs []string) (methods []bench.Labelled, err error) {
	hasBase := false
	for _, spec := range specs {
		method, err := fusionMethod(spec)
		if err != nil {
			return nil, err
		}
		label := spec
		if _, base := method.(fusion.None); base {
			label, hasBase = "", true
		} else if isFile(spec) {
			label = strings.TrimSuffix(filepath.Base(spec), ".json")
		}
		methods = append(methods, bench.Labelled{Label: label, Method: method})
	}
	if !hasBase {
		methods = append([]bench.Labelled{{Method: fusion.None{}}}, methods...)
	}
	return methods, nil
}

// benchExternal is the case of --external NAME=COMMAND; model is what --model says. A command that
// could not know which of several cases it is to run is bad usage.
func benchExternal(f benchFlags, at bench.Case, model, text string) (bench.Case, error) {
	name, command, ok := strings.Cut(text, "=")
	if !ok || strings.TrimSpace(name) == "" || strings.TrimSpace(command) == "" {
		return at, failure.Usage("--external is %q, want NAME=COMMAND", text)
	}
	size := at.Config.ImageSize.String()
	if s := at.Config.ImageSize; s.Height == s.Width {
		size = fmt.Sprint(s.Height)
	}
	for _, place := range []struct {
		name, value string
		values      int
	}{
		{"{model}", model, len(f.models)}, {"{image_size}", size, len(f.imageSizes)}, {"{batch}", fmt.Sprint(at.Batch), len(f.batches)},
		{"{dtype}", at.Config.DType.String(), len(f.dtypes)},
	} {
		if place.values > 1 && !strings.Contains(command, place.name) {
			return at, failure.Usage("--external %s runs %d times: its command must take %s", name, place.values, place.name)
		}
		command = strings.ReplaceAll(command, place.name, place.value)
	}
	at.Label, at.Command = name, command
	return at, nil
}

// measure runs the cases, and each in a process of its own where that was asked for.
func measure(ctx context.Context, progress io.Writer, cases []bench.Case, f benchFlags) ([]result.Row, error) {
	b, err := backend()
	if err != nil {
		return nil, err
	}
	say := func(text string) { fmt.Fprintf(progress, "bench: %s\n", text) }
	machine := bench.Machine(accel.Choice(), b)
	if dir, err := provision.Checkout(); err == nil { // the one that `go run ./kernel` was built from
		machine.Commit = commitOf(dir)
	}
	say(fmt.Sprintf("%d cases on %s", len(cases), describe(accel.Name(b), machine)))
	if load := bench.Load(); load > 0.5*float64(machine.Cores) {
		say(fmt.Sprintf("warning: other programs keep the machine busy (load %.1f on %d cores): it will be slower than it is", load, machine.Cores))
	}
	rows, err := bench.Run(ctx, cases, bench.Options{Backend: b, Warmup: f.warmup, Repetitions: f.repetitions, Progress: say})
	if err != nil {
		return nil, err
	}
	for i, c := range cases {
		rows[i].Machine = machine
		if c.Command != "" {
			rows[i].Machine = machine.Bare()
			continue
		}
		if err := measureAlone(ctx, say, c, f, &rows[i]); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// measureAlone fills in what a process of the case's own tells.
func measureAlone(ctx context.Context, say func(string), c bench.Case, f benchFlags, r *result.Row) error {
	if !f.memory && !f.compile {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := []string{self, "bench", "--alone"}
	say(c.String() + ", in a process of its own")
	if f.memory {
		single, err := bench.Alone(ctx, c, command, nil)
		if err != nil {
			return err
		}
		r.PeakMebibytes, r.StartSeconds = single.PeakMebibytes, single.StartSeconds
	}
	if f.compile {
		single, err := bench.Alone(ctx, c, command, []string{"TOKENFUSE_COMPILE_CACHE=off"})
		if err != nil {
			return err
		}
		r.CompileSeconds = single.CompileSeconds
	}
	return nil
}
