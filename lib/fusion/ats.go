package fusion

import (
	"encoding/json"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// ATS is Adaptive Token Sampling (Fayyaz et al., arXiv 2111.15667, ECCV 2022, section 3, "Adaptive Token
// Sampler"): images keep as many patches as they need. A patch is as significant as the class token
// attends to it, times the norm of its value vector ("Token Scoring"); the significances, which sum to
// 1, are added up to a cumulative distribution; each of K fixed points between 0 and 1 takes the patch
// at which the distribution is nearest, by inverse transform sampling ("Token Sampling"). Patches taken
// twice are kept once, so that an image in which few patches matter keeps few of them. Training and
// inference are the same. The official code is adaptivetokensampling/ATS,
// libs/models/transformers/ats_block.py, AdaptiveTokenSampler: score_assignment_step,
// inverse_transform_sampling, create_ys.
//
// The steps are Adaptive: min(K, patches) places behind the protected tokens, the last of which stay
// empty.
//
// The official code takes the rows of the patches kept out of the attention map, before the values are
// mixed. Choosing after the attention's residual connection, as here, leaves the same tokens: what
// leaves the attention for a token depends on its own row alone. Only the mixing and projection of the
// rows dropped is not saved.
type ATS struct {
	// KeepRate sets K: floor(rate^k * patches of the image) in the k-th layer that samples, at least 1,
	// as "Which Tokens to Use?" (arXiv 2308.04657, section 3.1) counts. The published ATS has 1: as many
	// points as the image has patches, however few are left. That still drops patches.
	KeepRate float64
	// KeepRatePerLayer replaces KeepRate by one share of the image's patches per entry of Layers.
	KeepRatePerLayer []float64
	// Layers that sample, counted from 0; nil is all from 3 on of 12, as in the official
	// configuration, and all but the first quarter for other depths.
	Layers []int
	// Order in which the distribution adds up; empty is BySignificance.
	Order SamplingOrder
}

// SamplingOrder is the order in which ATS adds up its distribution; what is kept leaves in that order.
type SamplingOrder string

const (
	// BySignificance is the official code: from the least significant patch to the most, by the
	// attention of all heads and the norm of the whole value vector, the distribution stretched to 0..1;
	// K points from its first value above 0 to 1. The least significant patch of an image never stays.
	// (In the official code it does where another image of the batch has kept more tokens; ours is the
	// official result of the image alone.)
	BySignificance SamplingOrder = "significance"
	// ByPosition is the paper's text as "Which Tokens to Use?" runs it (JoakimHaurum/TokenReduction,
	// models/ats.py, AdaptiveTokenSampling): in the order of the tokens, by the sum over heads of
	// attention times norm; points (2k-1)/(2K+2), where the paper has (2k-1)/2K. (In that code rounding
	// adds a point for some K, none of the published ones.)
	ByPosition SamplingOrder = "position"
)

func (ATS) Name() string                { return "ats" }
func (ATS) ProportionalAttention() bool { return false }

func (m ATS) schedule(depth int) keepOfFirst {
	layers := m.Layers
	if layers == nil {
		layers = []int{}
		for l := quarters(depth)[0]; l < depth; l++ {
			layers = append(layers, l)
		}
	}
	return keepOfFirst{amountsOf(m.KeepRate, m.KeepRatePerLayer), layers}
}

// Step samples; it needs a class token. A single patch is left alone.
func (m ATS) Step(at Layer) (*Step, error) {
	if err := m.validate(at.Depth); err != nil {
		return nil, err
	}
	patches := at.Tokens - at.Protected
	_, points := m.schedule(at.Depth).planned(at)
	if patches <= 1 || points == 0 {
		return nil, nil
	}
	if err := needClass("ats", at); err != nil {
		return nil, err
	}
	remaining := at.Protected + min(points, patches)
	return &Step{
		Place:     BetweenAttentionAndMLP,
		Remaining: remaining,
		Adaptive:  true,
		Needs:     []Input{InputAttention, InputValues},
		Assign:    func(e Evidence) *Assignment { return m.assign(e, at, points, remaining) },
	}, nil
}

func (m ATS) assign(e Evidence, at Layer, points, remaining int) *Assignment {
	g := e.X.Graph()
	index := iota(g, e.X.Shape().Dimensions[0], at.Tokens)
	protected := LessThan(index, scalar(g, at.Protected))
	candidate := LogicalNot(protected)
	if e.Present != nil {
		candidate = And(candidate, GreaterThan(e.Present, ZerosLike(index)))
	}
	place, upTo, fixed := m.distribution(e, candidate, at.Protected, points)
	taken := And(candidate, nearest(fixed, upTo, candidate))
	before := sumUpTo(ConvertDType(taken, dtypes.Float32), place) // and itself
	slot := Where(taken, AddScalar(before, at.Protected-1), AddScalar(ZerosLike(index), -1))
	slot = Where(protected, index, slot)
	return FuseSum(slot, OnesLike(slot), remaining)
}

// distribution returns the place of each token in the order, the distribution up to each, both
// [batch, tokens], and the fixed points to sample it at, [batch, points]. There is no sort: places are
// enough to add up what comes before.
func (m ATS) distribution(e Evidence, candidate *Node, protected, points int) (place, upTo, fixed *Node) {
	score := StopGradient(m.significance(e))
	score = Where(candidate, score, ZerosLike(score))
	total := BroadcastToShape(ReduceAndKeep(score, ReduceSum, 1), score.Shape())
	g, batch := score.Graph(), score.Shape().Dimensions[0]
	place = iota(g, batch, score.Shape().Dimensions[1])
	if m.bySignificance() {
		place = Neg(rank(numbers(score), place, protected))
		score = Div(score, orOne(total))
		upTo, fixed = stretched(sumUpTo(score, place), score, candidate, points)
		return place, upTo, fixed
	}
	fixed = DivScalar(AddScalar(MulScalar(iota(g, batch, points), 2), 1), float64(2*points+2))
	return place, sumUpTo(Div(score, AddScalar(total, 1e-6)), place), fixed
}

// significance is attention from the class token times the norm of the values, [batch, tokens].
func (m ATS) significance(e Evidence) *Node {
	if m.bySignificance() {
		return Mul(e.FromClass, Sqrt(ReduceSum(Square(e.Values), 1, 3)))
	}
	fromClass := Squeeze(Slice(e.Attention, AxisRange(), AxisRange(), AxisElem(0)), 2) // [b, h, t]
	return ReduceSum(Mul(fromClass, Sqrt(ReduceSum(Square(e.Values), 3))), 1)
}

// stretched scales the distribution upTo [batch, tokens] so that the least significant candidate stands
// at 0 and the most significant at 1, and returns with it points [batch, points], evenly from its first
// value above 0 to 1.
func stretched(upTo, score, candidate *Node, points int) (scaled, fixed *Node) {
	shape, batch := upTo.Shape(), upTo.Shape().Dimensions[0]
	infinite := BroadcastToShape(Infinity(upTo.Graph(), upTo.DType(), 1), shape)
	low := ReduceAndKeep(Where(candidate, score, infinite), ReduceMin, 1) // [b, 1]
	high := ReduceAndKeep(Where(candidate, upTo, ZerosLike(upTo)), ReduceMax, 1)
	scaled = Div(Sub(upTo, BroadcastToShape(low, shape)), BroadcastToShape(orOne(Sub(high, low)), shape))

	above := And(candidate, GreaterThan(scaled, ZerosLike(scaled)))
	first := MinScalar(ReduceAndKeep(Where(above, scaled, infinite), ReduceMin, 1), 1) // 1 where none is above
	first = BroadcastToDims(first, batch, points)
	share := OnesLike(first) // a single point is the last
	if points > 1 {
		share = DivScalar(iota(upTo.Graph(), batch, points), float64(points-1))
	}
	return scaled, Add(first, Mul(OneMinus(first), share))
}

// nearest reports which candidates are nearest to any of points [batch, points] in upTo
// [batch, tokens]: bool [batch, tokens].
func nearest(points, upTo, candidate *Node) *Node {
	b, k, n := points.Shape().Dimensions[0], points.Shape().Dimensions[1], upTo.Shape().Dimensions[1]
	full := shapes.Make(upTo.DType(), b, k, n)
	far := Abs(Sub(BroadcastToShape(InsertAxes(points, 2), full), BroadcastToShape(InsertAxes(upTo, 1), full)))
	far = Where(BroadcastToShape(InsertAxes(candidate, 1), withBool(full)), far, BroadcastToShape(Infinity(upTo.Graph(), upTo.DType(), 1), full))
	picked := ConvertDType(ArgMin(far, 2), dtypes.Float32) // [b, k]
	hit := Equal(BroadcastToShape(InsertAxes(picked, 2), full), Iota(upTo.Graph(), full, 2))
	return LogicalAny(hit, 1)
}

// sumUpTo returns for each token the sum of x over the tokens at its place or before, all [batch, tokens].
func sumUpTo(x, place *Node) *Node {
	b, n := x.Shape().Dimensions[0], x.Shape().Dimensions[1]
	full := shapes.Make(x.DType(), b, n, n) // own, other
	upTo := LessOrEqual(BroadcastToShape(InsertAxes(place, 1), full), BroadcastToShape(InsertAxes(place, 2), full))
	return ReduceSum(Where(upTo, BroadcastToShape(InsertAxes(x, 1), full), Zeros(x.Graph(), full)), 2)
}

// orOne replaces zeros by ones, to divide by.
func orOne(x *Node) *Node { return Where(IsZero(x), OnesLike(x), x) }

func (m ATS) bySignificance() bool { return orDefault(m.Order, BySignificance) == BySignificance }

// Knob is the keep rate, which sets how many tokens can stay: at 1 as many are computed as without ATS,
// though some hold nothing.
func (ATS) Knob() Knob { return keepRateKnob() }

// Adjusted replaces the keep rate of every layer.
func (m ATS) Adjusted(rate float64) Method {
	m.KeepRate, m.KeepRatePerLayer = rate, nil
	return m
}

func (m ATS) validate(depth int) error {
	if err := known("order", string(m.Order), "significance", "position"); err != nil {
		return err
	}
	if m.Layers == nil && depth == 0 { // how many layers there are is not known yet
		return m.schedule(0).rates.validate("keep_rate", len(m.KeepRatePerLayer), 0, 1)
	}
	return m.schedule(depth).validate(depth)
}

type atsJSON struct {
	Method   string        `json:"method"`
	KeepRate amounts       `json:"keep_rate"`
	Layers   []int         `json:"layers,omitzero"`
	Order    SamplingOrder `json:"order"`
}

func (m ATS) MarshalJSON() ([]byte, error) {
	return json.Marshal(atsJSON{"ats", amountsOf(m.KeepRate, m.KeepRatePerLayer), m.Layers, orDefault(m.Order, BySignificance)})
}

func parseATS(data []byte) (Method, error) {
	in := atsJSON{KeepRate: amounts{1}}
	if err := strict(data, &in); err != nil {
		return nil, err
	}
	m := ATS{Layers: in.Layers, Order: in.Order}
	m.KeepRate, m.KeepRatePerLayer = in.KeepRate.fields()
	return m, m.validate(0)
}
