package fusion

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

// ATM is Adaptive Token Merging (Lee and Choi, arXiv 2505.15160, ECAI 2025): not a count decides how
// many tokens merge but a threshold of similarity, so that simple images lose more tokens than complex
// ones. In layer l, counted from 1 ("layer-dependent thresholding"),
//
//	theta_l = max(alpha - (exp(beta (l - 1)) - 1), theta_min)
//
// and each token of A whose most similar partner in B is more similar than theta_l merges into it,
// weighted by size. Thresholds fall with depth, because what early layers merge costs more (figure 2).
// By the paper's theorem on the merging error, merging tokens of sizes n and m loses n m / (n + m) times
// their cosine distance: the final layers (SizeLayers) therefore split by size, the smaller half of the
// patches being A and the larger half B, so that no two large ones merge ("size-distinctive token
// matching"); the others split by position, as [ToMe] does.
//
// The number of tokens left differs from image to image, while graphs are static: batch-dependent counts
// are solved with a mask over a static bound, the tokens that enter the layer. Tokens that merged leave
// absent ones at the end. That costs all the time that merging should save: the model takes as long as
// its base model. Tokens and multiply-accumulates that results report are those of each image's own
// count; those of `flops`, which sees no image, are the bound. ATM has no [Knob] for that reason.
//
// Order: protected tokens, A left, B, each in the order of positions.
//
// There is no official code, and the published values of alpha, beta, theta_min and of the layer from
// which the split is by size were not at hand: the defaults are ours. So are that similarity is that of
// the keys averaged over heads, as in ToMe, that the smaller half gives and the larger receives, and the
// order. The paper decides one count for a whole batch ("batch-adaptive merging"); ours is each image's
// own, which is the same in batches of one.
type ATM struct {
	// Alpha is the threshold of the first layer, above 0.
	Alpha float64
	// Beta is how fast thresholds fall; 0 keeps them constant.
	Beta float64
	// ThetaMin is the lowest threshold.
	ThetaMin float64
	// Layers that merge, counted from 0; nil is all.
	Layers []int
	// SizeLayers split by size; nil is the last third of the model.
	SizeLayers []int
	// PlainAttention leaves the sizes out of the attention.
	PlainAttention bool
}

func (ATM) Name() string { return "atm" }

// ProportionalAttention is on unless PlainAttention is set.
func (m ATM) ProportionalAttention() bool { return !m.PlainAttention }

// Threshold is theta of a layer, which is counted from 0.
func (m ATM) Threshold(layer int) float64 {
	return max(m.Alpha-math.Expm1(m.Beta*float64(layer)), m.ThetaMin)
}

// Step merges what is similar enough. Below two patches, and where the threshold is 1 or more, nothing
// happens. Matching is counted as for ToMe, A times B similarities, though the graph computes those of
// all pairs.
func (m ATM) Step(at Layer) (*Step, error) {
	if err := m.validate(at.Depth); err != nil {
		return nil, err
	}
	threshold := m.Threshold(at.Index)
	if !slices.Contains(everyLayer(m.Layers, at.Depth), at.Index) || threshold >= 1 || at.Tokens-at.Protected < 2 {
		return nil, nil
	}
	return &Step{
		Place:     BetweenAttentionAndMLP,
		Remaining: at.Tokens,
		Adaptive:  true,
		Matching:  (at.Tokens + 1) / 2 * (at.Tokens / 2) * (at.Dim / at.Heads),
		Needs:     []Input{InputMetric},
		Assign: func(e Evidence) *Assignment {
			slot := adaptiveMatching{at: at, threshold: threshold, bySize: m.bySize(at)}.slots(e)
			return Fuse(slot, Squeeze(e.sizes(), -1), at.Tokens)
		},
	}, nil
}

func (m ATM) bySize(at Layer) bool {
	if m.SizeLayers == nil {
		return at.Index >= at.Depth-at.Depth/3
	}
	return slices.Contains(m.SizeLayers, at.Index)
}

// adaptiveMatching merges each token of A into its best partner in B if the two are more similar than
// a threshold.
type adaptiveMatching struct {
	at        Layer
	threshold float64
	bySize    bool
}

// slots returns the place of each token, [batch, tokens], -1 for tokens that are absent already. The
// places taken are the first ones.
func (f adaptiveMatching) slots(e Evidence) *Node {
	g, batch := e.X.Graph(), e.X.Shape().Dimensions[0]
	index := iota(g, batch, f.at.Tokens)
	protected := LessThan(index, scalar(g, f.at.Protected))
	present := GreaterOrEqual(index, scalar(g, 0))
	if e.Present != nil {
		present = GreaterThan(e.Present, ZerosLike(e.Present))
	}
	patch := And(present, LogicalNot(protected))
	inB := f.receivers(e, patch)

	directions := direction(e.Keys, length(e.Keys))
	similarity := numbers(StopGradient(cosines(directions, directions))) // [b, t, t]
	scores := Where(BroadcastToShape(InsertAxes(inB, 1), withBool(similarity.Shape())), similarity,
		BroadcastToShape(Infinity(g, similarity.DType(), -1), similarity.Shape()))
	partner := ConvertDType(ArgMax(scores, 2), index.DType())
	gives := And(And(patch, LogicalNot(inB)),
		GreaterThan(ReduceMax(scores, 2), Scalar(g, similarity.DType(), f.threshold)))

	left := And(And(patch, LogicalNot(inB)), LogicalNot(gives)) // of A
	slot := AddScalar(countBefore(left), f.at.Protected)
	behindA := AddScalar(ReduceAndKeep(ConvertDType(left, index.DType()), ReduceSum, -1), f.at.Protected)
	slot = Where(inB, Add(BroadcastToShape(behindA, index.Shape()), countBefore(inB)), slot)
	slot = Where(gives, lookup(slot, partner), slot)
	slot = Where(present, slot, AddScalar(ZerosLike(index), -1))
	return Where(protected, index, slot)
}

// receivers is set B among the patches [batch, tokens]: odd positions, or the larger half, rounded down,
// of equal sizes the first.
func (f adaptiveMatching) receivers(e Evidence, patch *Node) *Node {
	g, batch := e.X.Graph(), e.X.Shape().Dimensions[0]
	index := iota(g, batch, f.at.Tokens)
	if !f.bySize {
		return And(patch, Equal(ModScalar(index, 2), OnesLike(index)))
	}
	// What is no patch counts as smaller than any patch.
	size := Where(patch, StopGradient(Squeeze(e.sizes(), -1)), AddScalar(ZerosLike(index), -1))
	half := Floor(MulScalar(ReduceAndKeep(ConvertDType(patch, index.DType()), ReduceSum, -1), 0.5))
	return LessThan(rank(size, index, 0), BroadcastToShape(half, index.Shape()))
}

func (m ATM) validate(depth int) error {
	if !(m.Alpha > 0) || math.IsInf(m.Alpha, 0) {
		return fmt.Errorf("fusion: alpha is %v, want the first layer's threshold of similarity, above 0", m.Alpha)
	}
	if !(m.Beta >= 0) || math.IsInf(m.Beta, 0) {
		return fmt.Errorf("fusion: beta is %v, want 0 (constant thresholds) or above", m.Beta)
	}
	if !(math.Abs(m.ThetaMin) <= 1) {
		return fmt.Errorf("fusion: theta_min is %v, want -1 to 1", m.ThetaMin)
	}
	if err := validateLayers(m.SizeLayers, depth); err != nil {
		return err
	}
	return validateLayers(m.Layers, depth)
}

// atmJSON is ATM in FUSION.json.
type atmJSON struct {
	Method       string  `json:"method"`
	Alpha        float64 `json:"alpha"`
	Beta         float64 `json:"beta"`
	ThetaMin     float64 `json:"theta_min"`
	Layers       []int   `json:"layers,omitzero"`
	SizeLayers   []int   `json:"size_layers,omitzero"`
	Proportional bool    `json:"proportional_attention"`
}

func (m ATM) MarshalJSON() ([]byte, error) {
	return json.Marshal(atmJSON{"atm", m.Alpha, m.Beta, m.ThetaMin, m.Layers, m.SizeLayers, !m.PlainAttention})
}

func parseATM(data []byte) (Method, error) {
	in := atmJSON{Alpha: 0.95, Beta: 0.02, ThetaMin: 0.7, Proportional: true}
	if err := strict(data, &in); err != nil {
		return nil, err
	}
	m := ATM{
		Alpha: in.Alpha, Beta: in.Beta, ThetaMin: in.ThetaMin,
		Layers: in.Layers, SizeLayers: in.SizeLayers, PlainAttention: !in.Proportional,
	}
	return m, m.validate(0)
}
