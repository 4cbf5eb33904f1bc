package attention

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/native"
)

const (
	// MapBytes is the size of the largest attention map that Apply and Received form as a whole. XLA's
	// CPU has it twice for a moment, logits and their exponentials.
	MapBytes = 128 << 20
	// BlockBytes is the size of the part of a larger one that is there at a time.
	BlockBytes = 64 << 20
)

// Self is self-attention: softmax(q kᵀ / sqrt(d) + bias) over the keys. It serves every use that
// Vision Transformers with token fusion make of it: the mixing of values, the map itself, and the
// statistics of the map that say which tokens matter.
//
// Queries, keys and values may be of half precision (bfloat16, float16): then the products are, and so
// are mixed values. All else is float32: logits, bias, softmax, map and statistics.
type Self struct {
	queries, keys *Node // [batch, heads, tokens, d]
	bias          *Node // broadcast to [batch, heads, queries, keys]; nil is none
	times         *Node // how often a key counts, [batch, keys]: its part in the bias; nil is once
	present       *Node // 0/1, [batch, tokens]; nil where all are present
	attn          *Node // the map, once it was asked for

	mapBytes, blockBytes int
	kernel               kernel
	projected            *projected // of which the queries and keys are, where package native computes
	received             *Node      // once it was asked for
	formed               bool       // whether package native forms the map
}

// Of returns the attention of queries over keys, both [batch, heads, tokens, d].
func Of(queries, keys *Node) *Self {
	return &Self{queries: queries, keys: keys, mapBytes: MapBytes, blockBytes: BlockBytes, kernel: kernelFor(queries)}
}

// Biased adds a bias to the logits, before the softmax: of rank 4, each axis that of
// [batch, heads, queries, keys] or 1. An additive mask holds 0 and minus infinity.
func (s *Self) Biased(bias *Node) *Self {
	with := s.biased(bias)
	with.projected = nil // of which package native's operations know nothing
	return with
}

func (s *Self) biased(bias *Node) *Self {
	with := *s
	if with.bias = bias; s.bias != nil {
		with.bias = Add(s.bias, bias)
	}
	with.attn, with.received, with.formed = nil, nil, false
	return &with
}

// counting is attention in which a key counts `times` times, [batch, keys].
func (s *Self) counting(times *Node) *Self {
	with := s.biased(StopGradient(InsertAxes(Log(times), 1, 1)))
	if with.times = times; s.times != nil {
		with.times = Mul(s.times, times)
	}
	return with
}

// Proportional lets a token count as often as the patches it stands for: the logarithm of size
// [batch, tokens, 1] is added to the logits (ToMe, arXiv 2210.09461, eq. 1). A nil size, or none, is
// plain attention.
func (s *Self) Proportional(size *Node) *Self {
	if size == nil {
		return s
	}
	return s.counting(Squeeze(size, -1))
}

// Among lets nobody attend to tokens that are not present (0/1, [batch, tokens]), and leaves their own
// queries out of the statistics. Nil means all are present.
func (s *Self) Among(present *Node) *Self {
	if present == nil {
		return s
	}
	with := s.counting(present)
	with.present = present
	return with
}

// Map returns the attention map, [batch, heads, queries, keys], as a whole, however large it is. A map
// that nothing reads is not computed.
func (s *Self) Map() *Node {
	if s.attn == nil {
		s.form()
	}
	return s.attn
}

// scaled are the queries over sqrt(d).
func (s *Self) scaled() *Node {
	return MulScalar(s.queries, 1/math.Sqrt(float64(s.queries.Shape().Dim(-1))))
}

// rows are those of some scaled queries: the softmax of their logits.
func rows(scaled, keys, bias *Node) *Node {
	logits := Dot(scaled, keys).WithOutputDType(dtypes.Float32).EinsumAxes([][2]int{{3, 3}}, [][2]int{{0, 0}, {1, 1}})
	if bias != nil {
		logits = Add(logits, bias)
	}
	return Softmax(logits, -1)
}

// float is x in float32.
func float(x *Node) *Node { return ConvertDType(x, dtypes.Float32) }

// Apply mixes values [batch, heads, keys, d] and joins the heads: [batch, queries, heads*d].
func (s *Self) Apply(values *Node) *Node {
	if mixed := s.applyByKernel(values); mixed != nil {
		return mixed
	}
	if s.fits() {
		return Apply(s.Map(), values)
	}
	return s.inBlocks(operand{values, -1}, 1, mixing).value()
}

// Received returns the attention that each token receives; see the function Received. Tokens that are
// not present do not count as queries.
func (s *Self) Received() *Node {
	if s.received == nil {
		definition := func() *Node { return s.receivedBy(s.counts()) }
		if operands := s.operands(); operands != nil {
			s.received = native.One("received", definition, s.perKey(), operands...)
		} else {
			s.received = definition()
		}
	}
	return s.received
}

// receivedBy is Received where queries count so often, [1 or batch, 1 or queries].
func (s *Self) receivedBy(counts *Node) *Node {
	if counts.Shape().Size() == 1 && s.fits() && s.kernel == nil {
		return Received(s.Map())
	}
	d := s.queries.Shape().Dimensions
	counts = BroadcastToDims(counts, d[0], d[2])
	total := s.summedByKernel(counts) // [b, h, k]
	switch {
	case total != nil:
		total = s.inBlocks(operand{counts, 1}, -1, summing).derived(total)
	case s.fits():
		total = summing.of(s.Map(), counts)
	default:
		total = s.inBlocks(operand{counts, 1}, -1, summing).value()
	}
	return Div(ReduceMean(total, 1), ReduceAndKeep(counts, ReduceSum, -1))
}

// FromClass returns the attention that the class token pays to each token; see the function FromClass.
// It takes one row of the map, and no more is computed.
func (s *Self) FromClass() *Node {
	first := func(x *Node, axis int) *Node {
		ranges := []SliceAxisSpec{AxisRange(), AxisRange(), AxisRange(), AxisRange()}
		ranges[axis] = AxisElem(0)
		return Slice(x, ranges...)
	}
	definition := func() *Node {
		bias := s.bias
		if s.biasAxis() >= 0 {
			bias = first(bias, 2)
		}
		return FromClass(rows(first(s.scaled(), 2), s.keys, bias))
	}
	operands := s.operands()
	if operands == nil {
		return definition()
	}
	operands[0], operands[3] = first(operands[0], 1), once(s.queries.Graph())
	return native.One("received", definition, s.perKey(), operands...)
}

// bytes is the size of the map.
func (s *Self) bytes() int {
	d := s.queries.Shape().Dimensions
	return d[0] * d[1] * d[2] * s.keys.Shape().Dimensions[2] * dtypes.Float32.Size()
}

func (s *Self) fits() bool { return s.bytes() <= s.mapBytes }

// biasAxis is the axis of the queries in the bias; -1 where all queries have the same, or none.
func (s *Self) biasAxis() int {
	if s.bias == nil || s.bias.Shape().Dimensions[2] == 1 {
		return -1
	}
	return 2
}
