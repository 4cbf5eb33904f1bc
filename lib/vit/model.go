// Package vit is the Vision Transformer, from image to logits, with token fusion in its blocks: ViT,
// DeiT, T2T-ViT, LV-ViT and any other of that shape. They differ in how an image becomes tokens (the
// stem) and in what the head reads; the blocks are the same. One file per family says what is its
// own: vit.go, deit.go, t2t.go, lvvit.go.
//
// A [Model] is a [Config] and its weights under timm's names; [Load] returns a trained one, [New] an
// untrained one. [Model.With] puts a fusion method into it, and [Classifier.Logits] classifies images;
// [Forward] is the graph of it.
//
// Sources: ViT (arXiv 2010.11929), DeiT (arXiv 2012.12877), T2T-ViT (arXiv 2101.11986), LV-ViT
// (arXiv 2104.10858).
package vit

import (
	"fmt"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"tokenfuse/lib/fusion"
)

// Output is what Forward returns.
type Output struct {
	Logits *Node // what inference says, [batch, classes]
	Class  *Node // what the head reads: the class token after the last norm, or the pooled patches; [batch, dim]
	// ClassLogits are those of the class token alone, [batch, classes], where Logits joins them with
	// others: with Dense, those of the other tokens behind the last block, [batch, last tokens - 1,
	// classes], in a model with token labels (see TokenLabels); with DistillationLogits, those of the
	// distillation token, [batch, classes], in a distilled one. Training takes them one by one.
	ClassLogits, Dense, DistillationLogits *Node

	Tokens []int // tokens leaving each block, [depth]; the most there can be for adaptive methods
	Counts *Node // tokens of each image present behind each block, [batch, depth]
	Size   *Node // patches in each token after the last block, [batch, last tokens, 1]
	Source *Node // 0/1, [batch, last tokens, first tokens]
	// Sources are the source maps behind each block, [batch, tokens leaving, first tokens].
	Sources []*Node
}

// Forward builds the graph of a model under a fusion method, for normalised images
// [batch, channels, height, width]. It panics, as graph functions do, where shapes do not fit.
func Forward(store *model.Store, c Config, method fusion.Method, images *Node, options ...ForwardOption) Output {
	if d := images.Shape().Dimensions; len(d) != 4 || d[1] != c.Channels || d[2] != c.ImageSize.Height || d[3] != c.ImageSize.Width {
		panic(fmt.Errorf("vit: images are %v, want [batch, %d, %d, %d]", d, c.Channels, c.ImageSize.Height, c.ImageSize.Width))
	}
	steps, counts, err := Plan(c, method)
	if err != nil {
		panic(err)
	}
	l := layers{store: store, graph: images.Graph(), epsilon: c.normEpsilon(), dtype: c.DType}
	for _, option := range options {
		option(&l)
	}
	s := stream{x: l.embed(images, c), key: fusion.ImageKey(images)}
	var sources, present []*Node
	identity := unfused(s.x)
	for i, step := range steps {
		s = block{layers: l, name: fmt.Sprintf("blocks.%d", i), config: c,
			proportional: method.ProportionalAttention(), step: step, stay: l.depth.stay(i, c.Depth)}.forward(s)
		if s.source == nil {
			sources = append(sources, identity)
		} else {
			sources = append(sources, s.source)
		}
		if s.present == nil {
			present = append(present, Ones(images.Graph(), shapes.Make(s.x.DType(), images.Shape().Dimensions[0], 1)))
			present[i] = MulScalar(present[i], float64(counts[i]))
		} else {
			present = append(present, ReduceAndKeep(s.present, ReduceSum, -1))
		}
	}
	out := Output{Tokens: counts, Counts: Concatenate(present, 1), Size: s.size, Sources: sources, Source: sources[len(sources)-1]}
	l.classify(c, s, &out)
	if out.Size == nil {
		out.Size = Ones(images.Graph(), sizeShape(s.x))
	}
	return out
}

// Layer is what a fusion method may know of a layer that so many tokens enter.
func (c Config) Layer(index, tokens int) fusion.Layer {
	rows, cols := c.Grid()
	return fusion.Layer{Index: index, Depth: c.Depth, Tokens: tokens, Protected: c.Protected(), Dim: c.Dim, Heads: c.Heads,
		Rows: rows, Cols: cols}
}

// Plan returns what a method does in each layer of a model, nil where nothing, and the tokens that
// leave each.
func Plan(c Config, method fusion.Method) (steps []*fusion.Step, counts []int, err error) {
	tokens := c.Tokens()
	for i := range c.Depth {
		step, err := method.Step(c.Layer(i, tokens))
		if err != nil {
			return nil, nil, err
		}
		if step != nil {
			tokens = step.Remaining
		}
		steps, counts = append(steps, step), append(counts, tokens)
	}
	if c.readsPatches() && tokens <= c.Protected() {
		return nil, nil, fmt.Errorf("vit: %s leaves no patch of which the model's head could make something", method.Name())
	}
	return steps, counts, nil
}

// unfused is the source map of tokens [batch, tokens, dim] before the first fusion.
func unfused(x *Node) *Node {
	d := x.Shape().Dimensions
	return BroadcastPrefix(ConvertDType(Diagonal(x.Graph(), d[1]), x.DType()), d[0])
}

func sizeShape(x *Node) shapes.Shape {
	return shapes.Make(x.DType(), x.Shape().Dimensions[0], x.Shape().Dimensions[1], 1)
}
