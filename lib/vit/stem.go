package vit

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/fusion"
)

// Stem names how an image becomes tokens.
type Stem string

const (
	// PatchStem projects each patch (ViT, DeiT); "patch" in CONFIG.json.
	PatchStem Stem = ""
	// T2TPerformerStem and T2TTransformerStem are the Tokens-to-Token modules of T2T-ViT; see t2t.go.
	T2TPerformerStem   Stem = "t2t_performer"
	T2TTransformerStem Stem = "t2t_transformer"
	// ConvolutionStem is the patch embedding of LV-ViT, four convolutions; see lvvit.go.
	ConvolutionStem Stem = "convolution"
)

// stem turns images into tokens, in reading order, one for each cell of the grid of patches.
type stem interface {
	// validate reports a configuration that the stem does not fit.
	validate() error
	// weights are the stem's own, under the names of its official code.
	weights() []fusion.Weight
	// tokens maps images [batch, channels, height, width] -> [batch, patches, dim].
	tokens(l layers, images *Node) *Node
	// macs is the cost of one image as fvcore counts it.
	macs() int
}

func (c Config) stem() (stem, error) {
	switch c.Stem {
	case PatchStem:
		return patchStem{c}, nil
	case T2TPerformerStem, T2TTransformerStem:
		return t2tStem{c}, nil
	case ConvolutionStem:
		return convolutionStem{c}, nil
	}
	return nil, fmt.Errorf("vit: unknown stem %q: known are patch, %s, %s, %s", string(c.Stem), T2TPerformerStem, T2TTransformerStem, ConvolutionStem)
}

// StemMACs is what one image costs before the first block, in multiply-accumulates: matrix products
// and convolutions, layer norms as 5 per element, batch norms as 2, as fvcore counts. It is 0 for a
// configuration that Validate refuses.
func (c Config) StemMACs() int {
	stem, err := c.stem()
	if err != nil {
		return 0
	}
	return stem.macs()
}

// embed puts the class token (and the distillation token) in front of the stem's tokens and adds the
// position embedding: images [batch, channels, height, width] -> [batch, tokens, dim].
func (l layers) embed(images *Node, c Config) *Node {
	stem, err := c.stem()
	if err != nil {
		panic(err)
	}
	batch := images.Shape().Dimensions[0]
	prefix := func(name string) *Node { return Reshape(repeat(l.value(name, 1, 1, c.Dim), batch), batch, 1, c.Dim) }
	var parts []*Node
	if !c.NoClassToken {
		parts = append(parts, prefix("cls_token"))
	}
	if c.Distilled {
		parts = append(parts, prefix("dist_token"))
	}
	x := stem.tokens(l, images)
	if len(parts) > 0 {
		x = Concatenate(append(parts, x), 1)
	}
	return Add(x, Reshape(repeat(l.value("pos_embed", 1, c.Tokens(), c.Dim), batch), x.Shape().Dimensions...))
}

// normMACs is a norm of so many elements, 5 for each as fvcore counts it.
func normMACs(elements int) int { return 5 * elements }
