package vit

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"tokenfuse/lib/fusion"
)

// Parameters yields the name and the dimensions of each weight of a model: timm's names for what timm
// has, otherwise those of the official code. Running averages of batch norms and T2T-ViT's fixed
// weights are among them.
func (c Config) Parameters() iter.Seq2[string, []int] {
	return func(yield func(string, []int) bool) {
		for _, w := range c.weights() {
			if !yield(w.Name, w.Dims) {
				return
			}
		}
	}
}

// weights lists what Parameters yields.
func (c Config) weights() []fusion.Weight {
	var all []fusion.Weight
	add := func(weights ...fusion.Weight) { all = append(all, weights...) }
	if !c.NoClassToken {
		add(fusion.Weight{Name: "cls_token", Dims: []int{1, 1, c.Dim}})
	}
	if c.Distilled {
		add(fusion.Weight{Name: "dist_token", Dims: []int{1, 1, c.Dim}})
	}
	add(fusion.Weight{Name: "pos_embed", Dims: []int{1, c.Tokens(), c.Dim}})
	if stem, err := c.stem(); err == nil {
		add(stem.weights()...)
	}
	for i := range c.Depth {
		add(c.blockWeights(fmt.Sprintf("blocks.%d", i))...)
	}
	add(c.headWeights()...)
	return all
}

func (c Config) blockWeights(name string) []fusion.Weight {
	return slices.Concat(
		normWeights(name+".norm1", c.Dim),
		linearWeights(name+".attn.qkv", 3*c.Dim, c.Dim, !c.NoQKVBias),
		linearWeights(name+".attn.proj", c.Dim, c.Dim, true),
		normWeights(name+".norm2", c.Dim),
		linearWeights(name+".mlp.fc1", c.Hidden(), c.Dim, true),
		linearWeights(name+".mlp.fc2", c.Dim, c.Hidden(), true),
	)
}

func linearWeights(name string, out, in int, bias bool) []fusion.Weight {
	return weightAndBias(name, []int{out, in}, bias)
}

func convolutionWeights(name string, out, in, kernel int, bias bool) []fusion.Weight {
	return weightAndBias(name, []int{out, in, kernel, kernel}, bias)
}

func normWeights(name string, dim int) []fusion.Weight { return weightAndBias(name, []int{dim}, true) }

func weightAndBias(name string, dims []int, bias bool) []fusion.Weight {
	all := []fusion.Weight{{Name: name + ".weight", Dims: dims}}
	if bias {
		all = append(all, fusion.Weight{Name: name + ".bias", Dims: dims[:1:1]})
	}
	return all
}

// fixed reports whether training leaves a weight as it is: the statistics of batch norms, which have
// their own way to change, and what T2T-ViT fixes, its sinusoidal positions and random features.
func (c Config) fixed(name string) bool {
	t2t := c.Stem == T2TPerformerStem || c.Stem == T2TTransformerStem
	return isStatistic(name) || t2t && (name == "pos_embed" || isRandomFeatures(name))
}

// isStatistic reports whether a tensor is a running average of a batch norm.
func isStatistic(name string) bool {
	return strings.HasSuffix(name, ".running_mean") || strings.HasSuffix(name, ".running_var")
}

// ParameterCount is the number of weights of a model as the papers count them: fixed weights are
// among them, running averages of batch norms are not.
func (c Config) ParameterCount() int {
	total := 0
	for name, dims := range c.Parameters() {
		if isStatistic(name) {
			continue
		}
		total += size(dims)
	}
	return total
}

// size is the number of elements of a tensor.
func size(dims []int) int {
	count := 1
	for _, d := range dims {
		count *= d
	}
	return count
}

// variablePath is where a weight of timm's name lives in a model.Store.
func variablePath(name string) string { return "/" + strings.ReplaceAll(name, ".", "/") }
