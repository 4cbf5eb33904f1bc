package fusion

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// DPCKNN is density peaks clustering with k nearest neighbours (Du, Ding and Jia, Knowledge-Based
// Systems 99, 2016) of the tokens that enter a block: the centres are tokens in dense places that are
// far from any denser token, every other token goes to the nearest centre, and a cluster becomes the
// mean of its tokens, by learned weights or by equal ones. It is the Clustering-based Token Merge block
// of TCFormer (Zeng et al., arXiv 2204.08680, CVPR 2022; official code zengwang430521/TCFormer,
// tcformer_module/tcformer_utils.py, cluster_dpc_knn and merge_tokens), and a method of its own in
// Haurum et al., arXiv 2308.04657, section 3.1, whose official code (JoakimHaurum/TokenReduction,
// models/dpcknn.py) this follows.
//
// With d the Euclidean distance divided by sqrt(dim), the density of token i is
// exp(-mean of d^2 to its k nearest, itself among them), its distance indicator the least d to a
// denser token, or the largest d of the image for the densest, its score the product; the
// highest scores are the centres, in that order behind the protected tokens. Learned weights are
// exp(score), from a linear layer on the token: "cluster_layers.0.score.weight" [1, dim] and
// "cluster_layers.0.score.bias" [1] for the first layer named, and so on.
//
// The official code adds random noise of up to 1e-6 to the densities, so that no two are equal; here the
// lower position is the denser of two equals, and results do not change from run to run. It also means
// that densities below 1e-6 are noise there: here scores are compared by their logarithms, which do not
// vanish.
type DPCKNN struct {
	// KeepRate is the share of patches that the first of the layers leaves; of as many as the image has
	// the second leaves its square, the third its cube, rounded down, but never fewer than one.
	// Published are 0.9, 0.7, 0.5, 0.25.
	KeepRate float64
	// KeepRatePerLayer replaces KeepRate by one share of the image's patches per entry of Layers.
	KeepRatePerLayer []float64
	// Layers before which the tokens are clustered, counted from 0; nil is 3, 6, 9 of 12, and so on for other depths.
	Layers []int
	// Neighbours is k; 0 is the published 5. Where there are fewer tokens, it is their number.
	Neighbours int
	// EqualWeights takes the plain mean, for models that have learned no weights.
	EqualWeights bool
}

func (DPCKNN) Name() string                { return "dpcknn" }
func (DPCKNN) ProportionalAttention() bool { return false }

// Step clusters the unprotected tokens before the layers named. Matching is the product of the tokens
// with themselves, from which their distances come (fvcore does not count the official code's cdist),
// and the scores of learned weights.
func (m DPCKNN) Step(at Layer) (*Step, error) {
	if err := m.validate(at.Depth); err != nil {
		return nil, err
	}
	stage, keep, err := m.schedule().at(at)
	if err != nil || keep == 0 {
		return nil, err
	}
	count := at.Tokens - at.Protected
	step := &Step{
		Place:     BeforeBlock,
		Remaining: at.Protected + keep,
		Matching:  count * count * at.Dim,
	}
	name := fmt.Sprintf("cluster_layers.%d.score", stage)
	if !m.EqualWeights {
		step.Matching += count * at.Dim
		step.Learned = linearWeights(name, at.Dim, 1)
	}
	step.Assign = func(e Evidence) *Assignment {
		slot := behindProtected(m.cluster(StopGradient(patches(e.X, at.Protected)), keep), at.Protected)
		if m.EqualWeights {
			return Fuse(slot, OnesLike(slot), at.Protected+keep)
		}
		return weigh(slot, Squeeze(e.linear(name, e.X, 1), 2), at.Protected, at.Protected+keep)
	}
	return step, nil
}

// cluster returns the cluster of each token of x [batch, n, dim], [batch, n].
func (m DPCKNN) cluster(x *Node, keep int) *Node {
	squares := DivScalar(squaredDistances(x), float64(x.Shape().Dimensions[2]))
	pairs := squares.Shape()
	sparse := m.sparsity(squares)
	distance := Sqrt(squares)
	farthest := BroadcastToShape(ReduceAndKeep(distance, ReduceMax, 1, 2), pairs)
	indicator := ReduceMin(Where(precedes(sparse), distance, farthest), 2)
	order := rank(Sub(Log(indicator), sparse), IotaLike(sparse, 1), 0)
	return lookup(order, nearestCentre(distance, LessThan(order, scalar(x.Graph(), keep))))
}

// sparsity is minus the logarithm of the density: the mean of the squared distances [batch, n, n] to the
// k nearest tokens, of which the token itself is the first.
func (m DPCKNN) sparsity(squares *Node) *Node {
	pairs := squares.Shape()
	taken := BroadcastToShape(Infinity(squares.Graph(), squares.DType(), 1), pairs)
	position := Iota(squares.Graph(), pairs, 2)
	left, sum := Where(itself(squares), taken, squares), ReduceSum(Where(itself(squares), squares, ZerosLike(squares)), 2)
	k := min(m.neighbours(), pairs.Dimensions[2])
	for range k - 1 {
		sum = Add(sum, ReduceMin(left, 2))
		next := ConvertDType(ArgMin(left, 2), squares.DType())
		left = Where(Equal(position, BroadcastToShape(InsertAxes(next, 2), pairs)), taken, left)
	}
	return DivScalar(sum, float64(k))
}

// weigh is Fuse by the weights exp(scores), scores [batch, tokens], through which the gradient flows. To
// the weights of a cluster the official code adds 1e-6, as if of one more token that holds nothing; so
// does this, but not to protected tokens.
func weigh(slot, scores *Node, protected, remaining int) *Assignment {
	a := FuseSum(slot, OnesLike(slot), remaining)
	g, member := slot.Graph(), shapes.Make(slot.DType(), a.members().Shape().Dimensions...)
	never := Infinity(g, slot.DType(), -1)
	inside := Where(a.members(), BroadcastToShape(InsertAxes(scores, 1), member), BroadcastToShape(never, member))
	column := shapes.Make(slot.DType(), member.Dimensions[0], remaining, 1)
	nothing := BroadcastToShape(Scalar(g, slot.DType(), math.Log(1e-6)), column)
	nothing = Where(LessThan(Iota(g, column, 1), scalar(g, protected)), BroadcastToShape(never, column), nothing)
	shares := Softmax(Concatenate([]*Node{inside, nothing}, 2), 2)
	a.shares = SliceAxis(shares, 2, AxisRange(0, member.Dimensions[2]))
	return a
}

func (m DPCKNN) schedule() keepOfFirst {
	return keepOfFirst{amountsOf(m.KeepRate, m.KeepRatePerLayer), m.Layers}
}

func (m DPCKNN) neighbours() int {
	if m.Neighbours == 0 {
		return 5
	}
	return m.Neighbours
}

// Knob is the keep rate.
func (DPCKNN) Knob() Knob { return keepRateKnob() }

// Adjusted replaces the keep rate of every layer.
func (m DPCKNN) Adjusted(rate float64) Method {
	m.KeepRate, m.KeepRatePerLayer = rate, nil
	return m
}

func (m DPCKNN) validate(depth int) error {
	if m.neighbours() < 1 {
		return fmt.Errorf("fusion: k_neighbors is %d, want 1 or above", m.Neighbours)
	}
	return m.schedule().validate(depth)
}

// dpcknnJSON is DPCKNN in FUSION.json.
type dpcknnJSON struct {
	Method       string  `json:"method"`
	KeepRate     amounts `json:"keep_rate"`
	Layers       []int   `json:"layers,omitzero"`
	Neighbours   int     `json:"k_neighbors"`
	EqualWeights bool    `json:"equal_weight"`
}

func (m DPCKNN) MarshalJSON() ([]byte, error) {
	return json.Marshal(dpcknnJSON{"dpcknn", m.schedule().rates, m.Layers, m.neighbours(), m.EqualWeights})
}

func parseDPCKNN(data []byte) (Method, error) {
	in := dpcknnJSON{KeepRate: amounts{0.7}, Neighbours: 5}
	if err := strict(data, &in); err != nil {
		return nil, err
	}
	if in.Neighbours < 1 {
		return nil, fmt.Errorf("fusion: k_neighbors is %d, want 1 or above", in.Neighbours)
	}
	m := DPCKNN{Layers: in.Layers, Neighbours: in.Neighbours, EqualWeights: in.EqualWeights}
	m.KeepRate, m.KeepRatePerLayer = in.KeepRate.fields()
	return m, m.validate(0)
}
