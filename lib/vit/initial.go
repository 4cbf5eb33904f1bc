package vit

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"
)

// initial returns untrained weights.
func (c Config) initial(seed int64) map[string]*tensors.Tensor {
	rng := rand.New(rand.NewPCG(uint64(seed), 0x766974))
	weights := map[string]*tensors.Tensor{}
	for name, dims := range c.Parameters() {
		if name == "pos_embed" && c.fixed(name) {
			weights[name] = tensors.FromFlatDataAndDimensions(sinusoids(c.Tokens(), c.Dim), dims...)
			continue
		}
		weights[name] = initialWeight(rng, name, dims)
	}
	return weights
}

// initialWeight returns an untrained weight: linear layers and convolutions uniform within
// 1/sqrt(inputs), as PyTorch's; class token, positions and other learned tokens normal of deviation
// 0.02, as DeiT's; biases and running means 0, norms and running variances 1; random features
// orthogonal. (DeiT's deviation of 0.02 for every layer suits its dims; at a dim of 96 it starts a
// model too near to zero.)
func initialWeight(rng *rand.Rand, name string, dims []int) *tensors.Tensor {
	count := size(dims)
	data := make([]float32, count)
	switch {
	case isNormWeight(name), strings.HasSuffix(name, ".running_var"):
		data = slices.Repeat([]float32{1}, count)
	case strings.HasSuffix(name, ".bias"), strings.HasSuffix(name, ".running_mean"):
	case isRandomFeatures(name):
		data = randomFeatures(rng, dims[0], dims[1])
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

// isNormWeight reports whether a weight is the gain of a layer or batch norm.
func isNormWeight(name string) bool {
	layer := name[:max(0, strings.LastIndexByte(name, '.'))]
	return strings.HasSuffix(name, ".weight") && (strings.Contains(name, "norm") || strings.HasPrefix(layer[strings.LastIndexByte(layer, '.')+1:], "bn"))
}
