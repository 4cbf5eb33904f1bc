package vit

import (
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/fusion"
)

// t2tStem is the Tokens-to-Token module of T2T-ViT (Yuan et al., arXiv 2101.11986, section 3.1): the
// image is split softly, into patches that overlap, three times; between the splits a small
// transformer of one head and StemDim channels mixes the tokens, and they are laid out as a map again.
// Tensors carry the names of the official code (tokens_to_token.*). That code takes square images
// alone; here they may be rectangles.
type t2tStem struct{ Config }

// softSplits cut 4 x 2 x 2 = 16 pixels a side down to one token.
var softSplits = [3]window{{7, 4, 2}, {3, 2, 1}, {3, 2, 1}}

func (s t2tStem) validate() error {
	if s.PatchSize != 16 {
		return fmt.Errorf("vit: the stem %s makes a token of 16 pixels a side: patch_size is %d, want 16", s.Stem, s.PatchSize)
	}
	return nil
}

// tokenTransformer mixes the tokens between two soft splits: performer.go, token_transformer.go.
type tokenTransformer interface {
	weights() []fusion.Weight
	forward(l layers, x *Node) *Node // [batch, tokens, in] -> [batch, tokens, dim]
	macs(tokens int) int
}

// mixer is what follows soft split 0 or 1.
func (s t2tStem) mixer(split int) tokenTransformer {
	name := fmt.Sprintf("tokens_to_token.attention%d", split+1)
	if s.Stem == T2TPerformerStem {
		return performer{name: name, in: s.splitDim(split), dim: s.stemDim()}
	}
	return plainTransformer{name: name, in: s.splitDim(split), dim: s.stemDim()}
}

// splitDim is the number of values in one soft patch.
func (s t2tStem) splitDim(split int) int {
	kernel := softSplits[split].kernel
	if split == 0 {
		return s.Channels * kernel * kernel
	}
	return s.stemDim() * kernel * kernel
}

func (s t2tStem) weights() []fusion.Weight {
	return slices.Concat(s.mixer(0).weights(), s.mixer(1).weights(),
		linearWeights("tokens_to_token.project", s.Dim, s.splitDim(2), true))
}

func (s t2tStem) tokens(l layers, images *Node) *Node {
	maps := images
	rows, cols := s.ImageSize.Height, s.ImageSize.Width
	for split, window := range softSplits {
		x := unfold(maps, window)
		rows, cols = rows/window.stride, cols/window.stride
		if split == len(softSplits)-1 {
			return l.linear("tokens_to_token.project", x, s.Dim)
		}
		x = s.mixer(split).forward(l, x)
		maps = Reshape(TransposeAllAxes(x, 0, 2, 1), x.Shape().Dimensions[0], s.stemDim(), rows, cols)
	}
	panic("unreachable")
}

func (s t2tStem) macs() int {
	total, tokens := 0, s.ImageSize.Height*s.ImageSize.Width
	for split, window := range softSplits {
		tokens /= window.stride * window.stride
		if split < len(softSplits)-1 {
			total += s.mixer(split).macs(tokens)
		}
	}
	return total + tokens*s.splitDim(2)*s.Dim
}

// t2ts are the T2T-ViTs, under the names of the official code. The backbone has no qkv bias, layer
// norms of epsilon 1e-5 and an MLP ratio of 3 (2 for the small ones); attention divides by the root of
// a head's dim. (The code's `pretrained` path sets another scale; its checkpoints were not made with it.)
//
// Its README prints 1.1 GMACs for t2t_vit_7, which is 1.156 rounded down, and 13.8 for t2t_vit_24, for which
// fvcore counts 13.69 in that code, as is counted here; its 15.0 for t2t_vit_t_24, which differs by 1.31 in
// the stem alone, agrees with that.
func t2ts() []Named {
	var all []Named
	for _, stem := range []struct {
		name   string
		stem   Stem
		depths []int
	}{{"t2t_vit_", T2TPerformerStem, []int{7, 10, 12, 14, 19, 24}}, {"t2t_vit_t_", T2TTransformerStem, []int{14, 19, 24}}} {
		for _, depth := range stem.depths {
			dim, ratio := map[int]int{14: 384, 19: 448, 24: 512}[depth], 3.0
			if depth < 14 {
				dim, ratio = 256, 2
			}
			all = append(all, Named{
				Family: "T2T-ViT", Name: fmt.Sprint(stem.name, depth),
				Config: Config{ImageSize: ImageSize{224, 224}, PatchSize: 16, Channels: 3, Dim: dim, Depth: depth, Heads: dim / 64,
					MLPRatio: ratio, Classes: 1000, Stem: stem.stem, NoQKVBias: true, NormEpsilon: 1e-5},
				Source:     "T2T-ViT, Yuan et al. 2021, arXiv 2101.11986, table 1",
				Evaluation: imageNet(0.9),
			})
		}
	}
	return all
}
