package vit

import (
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"

	"github.com/gomlx/compute"

	"tokenfuse/lib/fusion"
)

// convolutionStem is the patch embedding of LV-ViT (Jiang et al., arXiv 2104.10858): three
// convolutions of StemDim channels with batch norm and ReLU, the first of which halves the sides, and
// a projection of patches of half the size. Tensors carry the names of the official code.
type convolutionStem struct{ Config }

// convolutions are the three before the projection.
var convolutions = [3]window{{7, 2, 3}, {3, 1, 1}, {3, 1, 1}}

func (s convolutionStem) validate() error {
	if s.PatchSize%2 != 0 {
		return fmt.Errorf("vit: the stem %s halves its patches: patch_size is %d, want an even one", s.Stem, s.PatchSize)
	}
	return nil
}

// channels are those that enter a convolution.
func (s convolutionStem) channels(i int) int {
	if i == 0 {
		return s.Channels
	}
	return s.stemDim()
}

func (s convolutionStem) weights() []fusion.Weight {
	var all []fusion.Weight
	for i, window := range convolutions {
		all = slices.Concat(all,
			convolutionWeights(fmt.Sprintf("patch_embed.conv%d", i+1), s.stemDim(), s.channels(i), window.kernel, false),
			batchNormWeights(fmt.Sprintf("patch_embed.bn%d", i+1), s.stemDim()))
	}
	return append(all, convolutionWeights("patch_embed.proj", s.Dim, s.stemDim(), s.PatchSize/2, true)...)
}

func (s convolutionStem) tokens(l layers, images *Node) *Node {
	maps := images
	for i, window := range convolutions {
		maps = l.convolution(fmt.Sprintf("patch_embed.conv%d", i+1), maps, window, s.stemDim())
		maps = activation.Relu(l.batchNorm(fmt.Sprintf("patch_embed.bn%d", i+1), maps))
	}
	return l.projectPatches("patch_embed.proj", maps, s.PatchSize/2, s.Dim)
}

func (s convolutionStem) macs() int {
	total, pixels := 0, s.ImageSize.Height*s.ImageSize.Width
	for i, window := range convolutions {
		pixels /= window.stride * window.stride
		total += pixels * s.stemDim() * s.channels(i) * window.kernel * window.kernel
		total += 2 * pixels * s.stemDim() // batch norm, as fvcore counts it at inference
	}
	return total + pixels*s.stemDim()*s.Dim
}

// convolution without bias, [batch, in, height, width] -> [batch, out, height', width'].
func (l layers) convolution(name string, maps *Node, w window, out int) *Node {
	kernel := l.value(name+".weight", out, maps.Shape().Dimensions[1], w.kernel, w.kernel)
	axes := compute.ConvolveAxesConfig{
		InputBatch: 0, InputChannels: 1, InputSpatial: []int{2, 3},
		KernelOutputChannels: 0, KernelInputChannels: 1, KernelSpatial: []int{2, 3},
		OutputBatch: 0, OutputChannels: 1, OutputSpatial: []int{2, 3},
	}
	border := [2]int{w.padding, w.padding}
	return float(Convolve(l.dtype.factor(maps), l.dtype.factor(kernel)).AxesConfig(axes).Strides(w.stride).PaddingPerDim([][2]int{border, border}).Done())
}

// lvvits are the LV-ViTs, under the names of the official code (zihangJiang/TokenLabeling, the README of
// which lists parameters, no GMACs, and lvvit_l at 448 and 512 only).
//
// Published GMACs (arXiv 2104.10858) are those of flops_computation.py of that code, which also counts
// softmax as 5 per element of a map, dropout and biases, but neither the last norm nor the heads: 22.17
// for lvvit_s at 384, published 22.2, of which 21.9 are what is counted here. For lvvit_m the paper
// prints 16.0; that script gives 12.74, and papers that build on it print 12.7: 12.70 here.
func lvvits() []Named {
	var all []Named
	for _, m := range []struct {
		name              string
		dim, depth, heads int
		scale, crop       float64
		stemDim           int
	}{
		{"t", 240, 12, 4, 0, 0.9, 0}, {"s", 384, 16, 6, 2, 0.9, 0}, {"m", 512, 20, 8, 2, 1, 0}, {"l", 768, 24, 12, 3, 1, 128},
	} {
		all = append(all, Named{
			Family: "LV-ViT", Name: "lvvit_" + m.name,
			Config: Config{ImageSize: ImageSize{224, 224}, PatchSize: 16, Channels: 3, Dim: m.dim, Depth: m.depth, Heads: m.heads,
				MLPRatio: 3, Classes: 1000, Stem: ConvolutionStem, StemDim: m.stemDim, NoQKVBias: true, NormEpsilon: 1e-5,
				ResidualScale: m.scale, TokenLabels: true},
			Source:     "LV-ViT, Jiang et al. 2021, arXiv 2104.10858",
			Evaluation: imageNet(m.crop),
		})
	}
	return all
}
