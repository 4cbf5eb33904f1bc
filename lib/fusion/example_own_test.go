package fusion_test

import (
	"context"
	"fmt"
	"os"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/datasets"
	"tokenfuse/lib/ablation"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/flops"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/train"
	"tokenfuse/lib/vit"
	"tokenfuse/plots"
)

// contrast lets tokens fuse first that differ little from the mean token: a criterion of one's own.
func contrast() fusion.Criterion {
	return fusion.Criterion{Name: "contrast", Tau: 5, Token: func(e fusion.Evidence) *Node {
		return Reciprocal(AddScalar(distinction(e), 1e-6))
	}}
}

// loudest takes the most attended token of a group for all of it: a pooling of one's own.
func loudest() fusion.Pooling {
	return fusion.Pooling{Name: "loudest", Weight: func(e fusion.Evidence) *Node { return PowScalar(e.Received, 20) }}
}

// outliers keeps a share of the patches, those that differ most from the mean token: a method of one's
// own. It tells what its matching costs, and has a knob, so that a schedule can be found for it.
func outliers(share float64) fusion.Tunable {
	knob := fusion.Knob{Name: "share", None: 1, Most: 0.1}
	return fusion.Tunable{Range: knob, Value: share, At: func(share float64) fusion.Custom {
		kept := func(at fusion.Layer) int { return int(share * float64(at.Tokens-at.Protected)) }
		return fusion.Custom{
			Label: "outliers", Layers: []int{1, 2},
			Remaining: func(at fusion.Layer) int { return at.Protected + kept(at) },
			Matching:  func(at fusion.Layer) int { return at.Tokens * at.Dim },
			Assign: func(at fusion.Layer, e fusion.Evidence) *fusion.Assignment {
				return fusion.Keep(distinction(e), at.Protected, kept(at))
			},
		}
	}}
}

// distinction is the distance of each token to the mean of the image's tokens, [batch, tokens].
func distinction(e fusion.Evidence) *Node {
	mean := BroadcastToShape(ReduceAndKeep(e.X, ReduceMean, 1), e.X.Shape())
	return Squeeze(L2Norm(Sub(e.X, mean), -1), -1)
}

// What one writes oneself goes wherever built-in methods go: FLOPs and schedules, predictions and
// rows of results, training, source maps and plots.
func Example_own() {
	for _, method := range []fusion.Adjustable{
		fusion.MCTF{R: 4, Criteria: []fusion.Criterion{fusion.Similarity(1), contrast()}},
		fusion.MCTF{R: 4, Pooling: loudest()},
		outliers(0.5),
	} {
		if err := everywhere(method); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// mctf: 24.81 MMACs, of them matching 0.25
	//   at 70%: {"method":"mctf","r":5,"tau":{"contrast":5,"similarity":1},"bidirectional":true,"pooling":"attention","one_step_ahead":"approximate","proportional_attention":true}
	//   a curve of 2 rows
	//   trained 2 steps
	//   An image, and which of its patches became one token; at the end: 21 tokens
	// mctf: 24.81 MMACs, of them matching 0.25
	//   at 70%: {"method":"mctf","r":5,"tau":{"informativeness":20,"similarity":1,"size":40},"bidirectional":true,"pooling":"loudest","one_step_ahead":"approximate","proportional_attention":true}
	//   a curve of 2 rows
	//   trained 2 steps
	//   An image, and which of its patches became one token; at the end: 21 tokens
	// outliers: 14.14 MMACs, of them matching 0.01
	//   at 70%: {"layers":[1,2],"method":"outliers","share":0.795}
	//   a curve of 2 rows
	//   trained 2 steps
	//   An image, and which of its patches became one token; at the end: 12 tokens
}

func everywhere(method fusion.Adjustable) error {
	const name = "vit_fmnist_patch4_28"
	config, err := vit.ConfigOf(name)
	if err != nil {
		return err
	}
	images, err := greyShapes(4)
	if err != nil {
		return err
	}

	// What it costs, and at which setting it costs 70% of the base model.
	cost, err := flops.Of(config, method)
	if err != nil {
		return err
	}
	found, _, err := flops.Schedule(config, method, flops.Target{Fraction: 0.7})
	if err != nil {
		return err
	}
	setting, err := found.MarshalJSON()
	if err != nil {
		return err
	}
	fmt.Printf("%s: %.2f MMACs, of them matching %.2f\n  at 70%%: %s\n", method.Name(), cost.GMACs*1e3, float64(cost.Matching)/1e6, setting)

	// Predictions as rows, of a smaller model, and their plot.
	small := config
	small.Dim, small.Heads, small.Depth = 24, 3, 4
	model, err := vit.New(small, 1)
	if err != nil {
		return err
	}
	rows, err := ablation.Run(context.Background(), model, images, fusion.None{}, method)
	if err != nil {
		return err
	}
	curve, err := plots.FLOPsAccuracy(rows)
	if err != nil {
		return err
	}
	if _, err := curve.SVG(); err != nil {
		return err
	}
	fmt.Printf("  a curve of %d rows\n", len(rows))

	// A model trained with it, two steps long.
	backend, err := accel.New("go") // compiles nothing: the fastest for so little
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "own")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	recipe := train.FashionMNIST()
	recipe.Model, recipe.Epochs, recipe.BatchSize, recipe.WarmUpEpochs = name, 1, 2, 0
	steps := 0
	trained, _, err := train.Run(context.Background(), recipe, train.Options{Dir: dir, Backend: backend, Method: method,
		Train: images, Test: images, Progress: func(p train.Progress) { steps = p.Step }})
	if err != nil {
		return err
	}
	fmt.Printf("  trained %d steps\n", steps)

	// Where the tokens of the first image go in it.
	classifier, err := trained.WithBackend(backend, method)
	if err != nil {
		return err
	}
	defer classifier.Close()
	first, err := images.Batch([]int{0})
	if err != nil {
		return err
	}
	prediction, err := classifier.Trace(tensors.FromFlatDataAndDimensions(first.Images, 1, 1, 28, 28))
	if err != nil {
		return err
	}
	groups, err := plots.GroupsFromSource("at the end", 7, 7, config.Protected(), prediction.Sources(0)[config.Depth-1])
	if err != nil {
		return err
	}
	figure, err := plots.FusedTokens(images.Image(0), groups)
	if err != nil {
		return err
	}
	fmt.Println(" ", figure)
	return nil
}

// greyShapes are generated images for vit_fmnist_patch4_28: one channel, ten classes.
func greyShapes(n int) (*datasets.Images, error) {
	shapes, err := datasets.Shapes(n, 28, 1)
	if err != nil {
		return nil, err
	}
	const area = 28 * 28
	grey := *shapes
	grey.Channels, grey.Mean, grey.Std, grey.Pixels = 1, []float32{0.5}, []float32{0.5}, nil
	for i := range n {
		grey.Pixels = append(grey.Pixels, shapes.Pixels[3*i*area:(3*i+1)*area]...)
	}
	return &grey, nil
}
