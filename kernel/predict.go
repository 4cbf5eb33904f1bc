package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/spf13/cobra"

	"tokenfuse/datasets"
	"tokenfuse/kernel/internal/failure"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
	"tokenfuse/lib/weights"
)

// predictFlags are what `predict` was told.
type predictFlags struct {
	model, imageSize, dtype, weights, fusion, input, output string
	images                                                  []string
	trace, strict                                           bool
	batch                                                   int
}

func newPredictCommand() *cobra.Command {
	var f predictFlags
	cmd := &cobra.Command{
		Use:   "predict --model NAME|CONFIG.json [--weights FILE] (--input FILE.safetensors | IMAGE...)",
		Short: "Classify images by a model under a fusion method",
		Long: `Reads tensor input [batch, channels, height, width], already normalised, or images, to which it
applies the model's evaluation transform. Writes logits [batch, classes] and tokens [depth] (tokens
leaving each block), with --trace also source [batch, last tokens, first tokens], size
[batch, last tokens] and counts [batch, depth] (tokens of each image leaving each block: fewer than
tokens where a method adapts their number to the image). Without --output it prints the likeliest
classes.

Weights are safetensors or a PyTorch checkpoint (.pth) under timm's names; a level model or state_dict
of a checkpoint is looked through. Tensors that are missing or of another shape are an
error; tensors that the model does not know a warning, an error under --strict (input excepted, so
that one file may hold both).

Models known by name need no --weights: they come with Tokenfuse, or their official checkpoint is
taken from the folder that TOKENFUSE_MODELS names, else downloaded into your cache and checked.`,
		Example: `  go run ./kernel predict --model vit_fmnist_patch4_28 --fusion mctf:r=4 boot.png
  go run ./kernel predict --model deit_small_patch16_224 cat.jpg
  go run ./kernel predict --model deit_small_patch16_224 --weights deit_small.pth \
      --fusion mctf:r=16 --input batch.safetensors --output logits.safetensors --trace`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.images = args
			if (f.input == "") == (len(args) == 0) {
				return failure.Usage("give either --input FILE.safetensors or images")
			}
			if f.trace && f.output == "" {
				return failure.Usage("--trace writes tensors: name the file with --output")
			}
			if f.batch < 1 {
				return failure.Usage("--batch is %d, want 1 or more", f.batch)
			}
			return runPredict(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), f)
		},
	}
	cmd.Flags().StringVar(&f.model, "model", "", "model `NAME`, or CONFIG.json (see models)")
	cmd.Flags().StringVar(&f.imageSize, "image-size", "", imageSizeUsage)
	cmd.Flags().StringVar(&f.dtype, "dtype", "", "`PRECISION` of products: float32, bfloat16 or float16 (default: the model's, float32)")
	cmd.Flags().StringVar(&f.weights, "weights", "", "safetensors or .pth `FILE`, timm's names (default: the model's own)")
	cmd.Flags().StringVar(&f.fusion, "fusion", "", "FUSION.json or `SPEC` such as mctf:r=16,layers=1-11 (see methods)")
	cmd.Flags().StringVarP(&f.input, "input", "i", "", "safetensors `FILE` with tensor input")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "safetensors `FILE` to write")
	cmd.Flags().BoolVar(&f.trace, "trace", false, "write source map and sizes too")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "refuse weights that the model does not know")
	cmd.Flags().IntVar(&f.batch, "batch", 64, "images at a time")
	_ = cmd.MarkFlagRequired("model")
	return cmd
}

func runPredict(ctx context.Context, out, warn io.Writer, f predictFlags) error {
	name, config, err := modelConfigAt(f.model, f.imageSize)
	if err != nil {
		return err
	}
	if config, err = inDType(config, f.dtype); err != nil {
		return err
	}
	method, err := fusionMethod(f.fusion)
	if err != nil {
		return err
	}
	learned, err := vit.Learned(config, method)
	if err != nil {
		return failure.Usage("%w", err)
	}
	if f.output != "" {
		if err := writable(f.output); err != nil {
			return err
		}
	}
	m, err := loadModel(ctx, name, config, learned, f, warn)
	if err != nil {
		return err
	}
	images, err := readImages(f, name, config)
	if err != nil {
		return err
	}
	b, err := backend()
	if err != nil {
		return err
	}
	classifier, err := m.WithBackend(b, method)
	if err != nil {
		return failure.Usage("%w", err)
	}
	defer classifier.Close()
	result, err := predictAll(ctx, classifier, images, f)
	if err != nil {
		return err
	}
	if err := vit.CheckLogits(result.Tensors["logits"], f.what); err != nil {
		return err
	}
	if f.output == "" {
		return printClasses(out, f, name, result.Tensors["logits"])
	}
	return weights.Write(f.output, result)
}

// loadModel reads the weights; what the fusion method learned stands in the same file.
func loadModel(ctx context.Context, name string, config vit.Config, learned map[string]fusion.Weight, f predictFlags, warn io.Writer) (*vit.Model, error) {
	if f.weights == "" {
		return loadNamed(ctx, name, config, f, warn)
	}
	m, unexpected, err := vit.FromFile(name, config, f.weights)
	if err != nil {
		return nil, failure.Usage("%w", err)
	}
	unexpected = slices.DeleteFunc(unexpected, func(name string) bool { return name == "input" || learned[name].Name != "" })
	if len(unexpected) > 0 {
		message := fmt.Sprintf("%s holds %d tensors that the model does not know: %s", f.weights, len(unexpected), weights.Names(unexpected))
		if f.strict {
			return nil, failure.Usage("%s", message)
		}
		fmt.Fprintf(harmless{warn}, "kernel: warning: %s\n", message)
	}
	return m, nil
}

// loadNamed loads the model's own weights; a CONFIG.json has none, whatever its name.
func loadNamed(ctx context.Context, name string, config vit.Config, f predictFlags, warn io.Writer) (*vit.Model, error) {
	if isFile(f.model) {
		return nil, failure.Usage("%s comes without weights: give them with --weights FILE", f.model)
	}
	m, err := vit.Load(name, vit.WithContext(ctx), vit.WithProgress(warn))
	if err == nil {
		m.Config.DType = config.DType
	}
	switch {
	case err == nil && m.Config == config:
		return m, nil
	case err == nil:
		return m.At(config.ImageSize.Height, config.ImageSize.Width)
	case ctx.Err() != nil:
		return nil, err
	case errors.Is(err, vit.ErrNoWeights):
		return nil, &failure.Error{Code: failure.CodeMissing, Err: fmt.Errorf("%w (--weights FILE)", err)}
	}
	return nil, failure.Usage("%w", err)
}

// readImages returns the normalised images [batch, channels, height, width].
func readImages(f predictFlags, name string, c vit.Config) (*tensors.Tensor, error) {
	if f.input != "" {
		file, err := weights.Read(f.input)
		if err != nil {
			return nil, failure.Usage("%w", err)
		}
		images, ok := file.Tensors["input"]
		if !ok {
			return nil, failure.Usage("%s holds no tensor input [batch, %d, %d, %d]", f.input, c.Channels, c.ImageSize.Height, c.ImageSize.Width)
		}
		if err := vit.CheckImages(c, images); err != nil {
			return nil, failure.Usage("%s: %w", f.input, err)
		}
		return images, nil
	}
	transform := vit.Transform(name, c)
	var pixels []float32
	for _, path := range f.images {
		image, err := datasets.DecodeImage(path)
		if err != nil {
			return nil, failure.Usage("%w", err)
		}
		pixels = append(pixels, transform.Apply(image)...)
	}
	return tensors.FromFlatDataAndDimensions(pixels, len(f.images), c.Channels, c.ImageSize.Height, c.ImageSize.Width), nil
}

// predictAll runs batch by batch and joins the results.
func predictAll(ctx context.Context, c *vit.Classifier, images *tensors.Tensor, f predictFlags) (*weights.File, error) {
	pixels := tensors.MustCopyFlatData[float32](images)
	dims := images.Shape().Dimensions
	each := len(pixels) / dims[0]
	var logits, source, size, present []float32
	for from := 0; from < dims[0]; from += f.batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		to := min(from+f.batch, dims[0])
		batch := tensors.FromFlatDataAndDimensions(pixels[from*each:to*each], to-from, dims[1], dims[2], dims[3])
		if !f.trace {
			out, err := c.Logits(batch)
			if err != nil {
				return nil, err
			}
			logits = append(logits, tensors.MustCopyFlatData[float32](out)...)
			continue
		}
		out, err := c.Trace(batch)
		if err != nil {
			return nil, err
		}
		logits = append(logits, tensors.MustCopyFlatData[float32](out.Logits)...)
		source = append(source, tensors.MustCopyFlatData[float32](out.Source)...)
		size = append(size, tensors.MustCopyFlatData[float32](out.Size)...)
		present = append(present, tensors.MustCopyFlatData[float32](out.Counts)...)
	}
	config := c.Model.Config
	counts := make([]int32, config.Depth)
	for i, n := range c.Tokens {
		counts[i] = int32(n)
	}
	last := int(counts[len(counts)-1])
	all := map[string]*tensors.Tensor{
		"logits": tensors.FromFlatDataAndDimensions(logits, dims[0], config.Classes),
		"tokens": tensors.FromFlatDataAndDimensions(counts, config.Depth),
	}
	if f.trace {
		all["source"] = tensors.FromFlatDataAndDimensions(source, dims[0], last, config.Tokens())
		all["size"] = tensors.FromFlatDataAndDimensions(size, dims[0], last)
		whole := make([]int32, len(present))
		for i, n := range present {
			whole[i] = int32(n)
		}
		all["counts"] = tensors.FromFlatDataAndDimensions(whole, dims[0], config.Depth)
	}
	return &weights.File{Tensors: all}, nil
}

// what names an image.
func (f predictFlags) what(i int) string {
	if len(f.images) > 0 {
		return f.images[i]
	}
	return fmt.Sprintf("input %d", i)
}

// printClasses prints the five likeliest classes of each image.
func printClasses(out io.Writer, f predictFlags, name string, logits *tensors.Tensor) error {
	for i, guesses := range vit.Likeliest(name, logits, 5) {
		fmt.Fprintf(out, "%s:", f.what(i))
		for k, guess := range guesses {
			separator := " "
			if k > 0 {
				separator = ", "
			}
			fmt.Fprint(out, separator, guess)
		}
		fmt.Fprintln(out)
	}
	return nil
}
