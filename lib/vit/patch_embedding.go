package vit

import (
	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/fusion"
)

// patchStem is ViT's (arXiv 2010.11929, eq. 1): a linear projection of each patch.
type patchStem struct{ Config }

func (patchStem) validate() error { return nil }

func (s patchStem) weights() []fusion.Weight {
	return convolutionWeights("patch_embed.proj", s.Dim, s.Channels, s.PatchSize, true)
}

func (s patchStem) tokens(l layers, images *Node) *Node {
	return l.projectPatches("patch_embed.proj", images, s.PatchSize, s.Dim)
}

func (s patchStem) macs() int {
	return s.Patches() * s.Channels * s.PatchSize * s.PatchSize * s.Dim
}

// projectPatches cuts maps [batch, channels, height, width] into patches of p x p and projects each to
// a token, [batch, patches, dim], in reading order. The convolution of the papers, whose stride is
// its kernel, is a matrix product over patches, which every backend runs fast.
func (l layers) projectPatches(name string, maps *Node, p, dim int) *Node {
	channels := maps.Shape().Dimensions[1]
	patches := unfold(maps, window{kernel: p, stride: p})
	kernel := Reshape(l.value(name+".weight", dim, channels, p, p), dim, channels*p*p)
	return l.affine(patches, kernel, l.value(name+".bias", dim))
}
