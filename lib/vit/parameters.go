package vit

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"
)

// Parameters yields the name (timm's) and the dimensions of each weight of a model.
func (c Config) Parameters() iter.Seq2[string, []int] {
	return func(yield func(string, []int) bool) {
		linear := func(name string, out, in int) bool {
			return yield(name+".weight", []int{out, in}) && yield(name+".bias", []int{out})
		}
		norm := func(name string) bool {
			return yield(name+".weight", []int{c.Dim}) && yield(name+".bias", []int{c.Dim})
		}
		ok := yield("cls_token", []int{1, 1, c.Dim}) &&
			(!c.Distilled || yield("dist_token", []int{1, 1, c.Dim})) &&
			yield("pos_embed", []int{1, c.Tokens(), c.Dim}) &&
			yield("patch_embed.proj.weight", []int{c.Dim, c.Channels, c.PatchSize, c.PatchSize}) &&
			yield("patch_embed.proj.bias", []int{c.Dim})
		for i := 0; ok && i < c.Depth; i++ {
			name := fmt.Sprintf("blocks.%d", i)
			ok = norm(name+".norm1") && linear(name+".attn.qkv", 3*c.Dim, c.Dim) && linear(name+".attn.proj", c.Dim, c.Dim) &&
				norm(name+".norm2") && linear(name+".mlp.fc1", c.Hidden(), c.Dim) && linear(name+".mlp.fc2", c.Dim, c.Hidden())
		}
		_ = ok && norm("norm") && linear("head", c.Classes, c.Dim) && (!c.Distilled || linear("head_dist", c.Classes, c.Dim))
	}
}

// ParameterCount is the number of weights of a model.
func (c Config) ParameterCount() int {
	total := 0
	for _, dims := range c.Parameters() {
		count := 1
		for _, d := range dims {
			count *= d
		}
		total += count
	}
	return total
}

// initial returns untrained weights.
func (c Config) initial(seed int64) map[string]*tensors.Tensor {
	rng := rand.New(rand.NewPCG(uint64(seed), 0x766974))
	weights := map[string]*tensors.Tensor{}
	for name, dims := range c.Parameters() {
		weights[name] = initialWeight(rng, name, dims)
	}
	return weights
}

// initialWeight returns an untrained weight: linear layers and the patch embedding uniform within
// 1/sqrt(inputs), as PyTorch's; class token, positions and other learned tokens normal of deviation
// 0.02, as DeiT's; biases 0, norms 1. (DeiT's deviation of 0.02 for every layer suits its dims; at a
// dim of 96 it starts a model too near to zero.)
func initialWeight(rng *rand.Rand, name string, dims []int) *tensors.Tensor {
	count := 1
	for _, d := range dims {
		count *= d
	}
	data := make([]float32, count)
	switch {
	case strings.Contains(name, "norm") && strings.HasSuffix(name, ".weight"):
		data = slices.Repeat([]float32{1}, count)
	case strings.HasSuffix(name, ".bias"):
	case strings.HasSuffix(name, ".weight"):
		bound := 1 / math.Sqrt(float64(count/dims[0]))
		for i := range data {
			data[i] = float32((2*rng.Float64() - 1) * bound)
		}
	default:
		for i := range data {
			data[i] = float32(0.02 * rng.NormFloat64())
		}
	}
	return tensors.FromFlatDataAndDimensions(data, dims...)
}

// variablePath is where a weight of timm's name lives in a model.Store.
func variablePath(name string) string { return "/" + strings.ReplaceAll(name, ".", "/") }
