package vit

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// patchEmbedding cuts images [batch, channels, height, width] into patches and projects each to a
// token, [batch, patches, dim], in reading order. The convolution of the papers, whose stride is
// its kernel, is a matrix product over patches, which every backend runs fast.
func (l layers) patchEmbedding(images *Node, c Config) *Node {
	rows, cols := c.Grid()
	p, batch := c.PatchSize, images.Shape().Dimensions[0]
	patches := Reshape(images, batch, c.Channels, rows, p, cols, p)
	patches = Reshape(TransposeAllAxes(patches, 0, 2, 4, 1, 3, 5), batch, rows*cols, c.Channels*p*p)
	kernel := Reshape(l.value("patch_embed.proj.weight", c.Dim, c.Channels, p, p), c.Dim, c.Channels*p*p)
	return affine(patches, kernel, l.value("patch_embed.proj.bias", c.Dim))
}

// embed puts the class token (and the distillation token) in front of the patches and adds the
// position embedding: images [batch, channels, height, width] -> [batch, tokens, dim].
func (l layers) embed(images *Node, c Config) *Node {
	batch := images.Shape().Dimensions[0]
	prefix := func(name string) *Node { return BroadcastToDims(l.value(name, 1, 1, c.Dim), batch, 1, c.Dim) }
	parts := []*Node{prefix("cls_token")}
	if c.Distilled {
		parts = append(parts, prefix("dist_token"))
	}
	x := Concatenate(append(parts, l.patchEmbedding(images, c)), 1)
	return Add(x, BroadcastToShape(l.value("pos_embed", 1, c.Tokens(), c.Dim), x.Shape()))
}
