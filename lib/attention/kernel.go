package attention

import (
	"math"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"
)

// kernel is attention as one operation of a backend: softmax(scale q kᵀ) v for queries, keys and values
// [batch, heads, tokens, d] that never forms the map. It returns nil where it does not take them.
type kernel func(queries, keys, values *Node, scale float64) *Node

// kernelFor returns the backend's kernel for nodes like x, nil where it has none. The one there is,
// cuDNN's flash attention on CUDA, takes float16 and bfloat16 alone. It has not run here: there was no
// GPU. The tests put another in its place.
func kernelFor(x *Node) kernel {
	if !x.DType().IsHalfPrecision() || !x.Graph().Backend().Capabilities().Operations[compute.OpTypeFusedScaledDotProductAttention] {
		return nil
	}
	return func(queries, keys, values *Node, scale float64) (mixed *Node) {
		err := exceptions.TryCatch[error](func() {
			mixed, _ = BackendFusedScaledDotProductAttention(queries, keys, values, compute.AttentionAxesLayoutBHSD,
				&compute.ScaledDotProductAttentionConfig{Scale: scale})
		})
		if err != nil && !compute.IsNotImplemented(err) {
			panic(err)
		}
		return mixed
	}
}

// applyByKernel is Apply by the kernel; nil where that does not serve.
func (s *Self) applyByKernel(values *Node) *Node {
	mixed := s.mixByKernel(values)
	if mixed == nil {
		return nil
	}
	return Join(mixed)
}

// summedByKernel adds up the columns of the map by the counts of queries [batch, queries], for each
// head: [batch, heads, keys]; nil where the kernel does not serve. It stops the gradient.
//
// The sums are Aᵀ c for the map A and the counts c. Mixing is A V, and its gradient takes that of the
// result, D, to Aᵀ D for V: where each column of D is c, each column of that is the sums. So the
// backward kernel, which forms no map, gives them, whatever the values are.
func (s *Self) summedByKernel(counts *Node) (sums *Node) {
	if s.kernel == nil {
		return nil
	}
	values := ZerosLike(s.keys)
	err := exceptions.TryCatch[error](func() {
		mixed := s.mixByKernel(values)
		if mixed == nil {
			return
		}
		weight := ConvertDType(InsertAxes(counts, 1, -1), mixed.DType())
		all := Gradient(ReduceAllSum(Mul(mixed, BroadcastToShape(weight, mixed.Shape()))), values)[0]
		sums = float(Squeeze(Slice(all, AxisRange(), AxisRange(), AxisRange(), AxisElem(0)), -1))
	})
	if err != nil && !compute.IsNotImplemented(err) {
		panic(err)
	}
	return sums
}

// mixByKernel mixes values by the kernel: [batch, heads, queries, d]; nil where it does not serve.
func (s *Self) mixByKernel(values *Node) *Node {
	shape := s.queries.Shape()
	if s.kernel == nil || !values.Shape().Equal(shape) || !s.keys.Shape().Equal(shape) || s.biasAxis() >= 0 {
		return nil
	}
	queries, keys, d := s.queries, s.keys, shape.Dimensions[3]
	scale := 1 / math.Sqrt(float64(d))
	if s.bias != nil {
		// cuDNN wants a bias as large as the map. One that is the same for all queries goes as a
		// component more of the keys, which the queries multiply by 1; with zeros to make it 8, as
		// cuDNN takes them. It must be finite: -60000 is little enough, and not too little for float16.
		feature := MaxScalar(DivScalar(TransposeAllAxes(s.bias, 0, 1, 3, 2), scale), -6e4)
		zeros := func(n int) *Node {
			return BroadcastToDims(ScalarZero(keys.Graph(), keys.DType()), append(shape.Clone().Dimensions[:3], n)...)
		}
		queries = Concatenate([]*Node{queries, OnePlus(zeros(1)), zeros(7)}, 3)
		keys = Concatenate([]*Node{keys, Add(zeros(1), ConvertDType(feature, keys.DType())), zeros(7)}, 3)
		values = Concatenate([]*Node{values, zeros(8)}, 3)
	}
	mixed := s.kernel(queries, keys, values, scale)
	if mixed == nil {
		return nil
	}
	return Slice(mixed, AxisRange(), AxisRange(), AxisRange(), AxisRange(0, d))
}
