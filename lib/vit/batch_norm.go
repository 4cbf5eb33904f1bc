package vit

import (
	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/fusion"
)

// batchNormWeights are PyTorch's; it also stores a count of batches, which nothing here reads.
func batchNormWeights(name string, channels int) []fusion.Weight {
	return append(normWeights(name, channels),
		fusion.Weight{Name: name + ".running_mean", Dims: []int{channels}},
		fusion.Weight{Name: name + ".running_var", Dims: []int{channels}})
}

// batchNorm is batch norm of maps [batch, channels, height, width] (Ioffe and Szegedy,
// arXiv 1502.03167) as PyTorch's BatchNorm2d: by the running averages, and in training by the
// statistics of the batch, which it adds to the averages with a momentum of 0.1; its variance there
// is the unbiased one.
func (l layers) batchNorm(name string, maps *Node) *Node {
	const epsilon, momentum = 1e-5, 0.1
	channels := maps.Shape().Dimensions[1]
	each := func(x *Node) *Node { return BroadcastToShape(Reshape(x, 1, channels, 1, 1), maps.Shape()) }
	mean, variance := l.value(name+".running_mean", channels), l.value(name+".running_var", channels)
	if l.store.IsTraining(l.graph) {
		averages := [2]*Node{mean, variance}
		mean = ReduceMean(maps, 0, 2, 3)
		variance = ReduceMean(Square(Sub(maps, each(mean))), 0, 2, 3)
		count := float64(maps.Shape().Size() / channels)
		seen := [2]*Node{mean, MulScalar(variance, count/max(count-1, 1))}
		for i, statistic := range []string{".running_mean", ".running_var"} {
			average := Add(MulScalar(averages[i], 1-momentum), MulScalar(StopGradient(seen[i]), momentum))
			l.store.GetVariable(variablePath(name + statistic)).SetNodeValue(average)
		}
	}
	scale := Div(l.value(name+".weight", channels), Sqrt(AddScalar(variance, epsilon)))
	shift := Sub(l.value(name+".bias", channels), Mul(mean, scale))
	return Add(Mul(maps, each(scale)), each(shift))
}
