package vit

import (
	"fmt"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
)

// Inside is what one layer of a model knows of one image: the tokens that enter it, and its attention
// over them before it fuses any.
type Inside struct {
	// Tensors are what a fusion step reads there: X, the tokens, [1, tokens, dim]; Attn, the attention
	// map, [1, heads, tokens, tokens]; Metric and Values; Size, [1, tokens, 1]; Source, which of the
	// first tokens went into each, [1, tokens, first tokens].
	fusion.Tensors
	// Received is the attention that each token receives, mean over heads and queries, [tokens]: its
	// informativeness in MCTF (arXiv 2403.10030, section 3.1).
	Received []float32
	// FromClass is the attention that the class token pays to each token, mean over heads, [tokens].
	FromClass []float32

	config  Config
	backend compute.Backend
	index   int
}

// Inspect runs one normalised image [1, channels, height, width] and returns what each layer knew of it.
func (c *Classifier) Inspect(image *tensors.Tensor) ([]Inside, error) {
	if err := CheckImages(c.Model.Config, image); err != nil {
		return nil, err
	}
	if n := image.Shape().Dimensions[0]; n != 1 {
		return nil, fmt.Errorf("vit: %d images to look into, want 1: pass them one by one", n)
	}
	out, err := c.inspected.Call(image)
	if err != nil {
		return nil, fmt.Errorf("vit: %s under %s: %s", c.Model.Name, c.Method.Name(), accel.FirstLine(err))
	}
	var all []Inside
	for out = out[1:]; len(out) > 0; out = out[8:] {
		all = append(all, Inside{
			Tensors:  fusion.Tensors{X: out[0], Attn: out[1], Metric: out[2], Values: out[3], Size: out[4], Source: out[5]},
			Received: tensors.MustCopyFlatData[float32](out[6]), FromClass: tensors.MustCopyFlatData[float32](out[7]),
			config: c.Model.Config, backend: c.backend, index: len(all),
		})
	}
	return all, nil
}

// inspection builds the graph of Inspect: the logits, then eight nodes for each layer, in the order of
// their use there.
func inspection(m *Model, method fusion.Method, images *Node) []*Node {
	var out []*Node
	whole := Forward(m.store, m.Config, method, images, forInference, func(l *layers) {
		l.watch = func(e fusion.Evidence) {
			size, source := e.Size, e.Source
			if size == nil {
				size = Ones(e.X.Graph(), sizeShape(e.X))
			}
			if source == nil {
				source = unfused(e.X)
			}
			out = append(out, Identity(e.X), e.Attention, e.Keys, e.Values, Identity(size), Identity(source), e.Received, e.FromClass)
		}
	})
	// The Go backend fails on a graph that ends in nodes of which nothing is read.
	return append([]*Node{whole.Logits}, out...)
}

// Head returns the attention map of one head, counted from 0: [tokens, tokens], a row for each query.
func (l Inside) Head(head int) [][]float32 {
	return l.Attn.Value().([][][][]float32)[0][head]
}

// Map returns the attention map, mean over heads: [tokens, tokens], a row for each query.
func (l Inside) Map() [][]float32 {
	heads := l.Attn.Value().([][][][]float32)[0]
	mean := heads[0]
	for _, head := range heads[1:] {
		for q, row := range head {
			for k, a := range row {
				mean[q][k] += a
			}
		}
	}
	for _, row := range mean {
		for k := range row {
			row[k] /= float32(len(heads))
		}
	}
	return mean
}

// Sizes returns how many patches each token is made of, [tokens].
func (l Inside) Sizes() []float32 { return tensors.MustCopyFlatData[float32](l.Size) }

// SourceMap returns which of the first tokens went into each, 0/1, row by row [tokens, first tokens].
func (l Inside) SourceMap() []float32 { return tensors.MustCopyFlatData[float32](l.Source) }

// OnPatches gives each patch of the image what its token has of some values [tokens]: [patches], row
// by row; 0 where it is in none, having been dropped.
func (l Inside) OnPatches(values []float32) []float64 {
	first := l.config.Tokens()
	out := make([]float64, l.config.Patches())
	for i, in := range l.SourceMap() {
		if patch := i%first - l.config.Protected(); in == 1 && patch >= 0 {
			out[patch] = float64(values[i/first])
		}
	}
	return out
}

// Fuse runs a method's step of this layer on what the layer knows, outside the model; see
// fusion.Tensors.Pairs for who fused with whom.
func (l Inside) Fuse(method fusion.Method) (*fusion.Tensors, error) {
	step := fusion.Single{Method: method, Protected: l.config.Protected(), Index: l.index, Depth: l.config.Depth}
	return step.Run(l.backend, l.Tensors)
}
