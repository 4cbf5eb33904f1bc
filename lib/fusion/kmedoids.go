package fusion

import (
	"encoding/json"
	"fmt"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// KMedoids is K-Medoids clustering of the tokens that leave a block (Haurum et al., "Which Tokens to
// Use?", arXiv 2308.04657, ICCVW 2023, section 3.1, after the WK-Medoids of Token Pooling, Marin et al.,
// arXiv 2110.03860; official code JoakimHaurum/TokenReduction, models/kmedoids.py, k_medoids_fit): each
// cluster becomes the one of its tokens that is its medoid, as it is, and the others are lost (sizes and
// source maps count them with it).
//
// It starts from the tokens that receive most attention, mean over heads and queries (as in the code;
// section 3.1 says from the class token); then, as often as Iterations says, each token goes to the
// nearest medoid by Euclidean distance, and each cluster takes as its new medoid the member that
// MedoidRule finds; at the end each token goes to the nearest once more. Protected tokens come first,
// then the medoids in the order of their clusters: the most attended start first. Ties go to the lower
// position, and a medoid is always of its own cluster, so that none is empty (in the official code the
// cluster of a token's exact double can be, and patch 0 takes its place).
type KMedoids struct {
	// KeepRate is the share of patches that the first of the layers leaves; of as many as the image has
	// the second leaves its square, the third its cube, rounded down, but never fewer than one.
	// Published are 0.9, 0.7, 0.5, 0.25.
	KeepRate float64
	// KeepRatePerLayer replaces KeepRate by one share of the image's patches per entry of Layers.
	KeepRatePerLayer []float64
	// Layers by whose attention, and behind which, the tokens are clustered, counted from 0; nil is 2,
	// 5, 8 of 12, and so on for other depths. The official code names the blocks that the clusters
	// enter: 3, 6, 9.
	Layers []int
	// Iterations is how often new medoids are found; 0 is the published 3.
	Iterations int
	// EqualWeights leaves attention out. The start is then the first patch and, one after the other, the
	// patch farthest from any chosen before, as in the official code, which draws the first at random.
	EqualWeights bool
	// MedoidRule is MedoidOfImage (also when empty) or MedoidOfCluster.
	MedoidRule MedoidRule
}

// MedoidRule says which member of a cluster is its medoid.
type MedoidRule string

const (
	// MedoidOfImage takes the member with the least weight times sum of distances to all tokens of the
	// image, as the official code does: little attention makes a medoid.
	MedoidOfImage MedoidRule = "image"
	// MedoidOfCluster takes the member with the least sum, over the members of its cluster, of weight
	// times distance: the definition of weighted K-Medoids, and with equal weights that of section 3.1.
	MedoidOfCluster MedoidRule = "cluster"
)

func (KMedoids) Name() string                { return "kmedoids" }
func (KMedoids) ProportionalAttention() bool { return false }

// Step clusters the unprotected tokens behind the layers named. Matching is the product of the tokens
// with themselves, from which their distances come; fvcore does not count the official code's cdist.
func (m KMedoids) Step(at Layer) (*Step, error) {
	if err := m.validate(at.Depth); err != nil {
		return nil, err
	}
	_, keep, err := m.schedule(at.Depth).at(at)
	if err != nil || keep == 0 {
		return nil, err
	}
	count := at.Tokens - at.Protected
	step := &Step{
		Place:     AfterBlock,
		Remaining: at.Protected + keep,
		Matching:  count * count * at.Dim,
		Assign:    func(e Evidence) *Assignment { return m.assign(e, at.Protected, keep) },
	}
	if !m.EqualWeights {
		step.Needs = []Input{InputAttention}
	}
	return step, nil
}

func (m KMedoids) assign(e Evidence, protected, keep int) *Assignment {
	x := StopGradient(patches(e.X, protected))
	g, batch, n := x.Graph(), x.Shape().Dimensions[0], x.Shape().Dimensions[1]
	distance := Sqrt(squaredDistances(x))
	weight := Ones(g, shapes.Make(x.DType(), batch, n))
	var order *Node // of the medoids, 0 to keep-1; above for all others
	if m.EqualWeights {
		order = farthestFirst(distance, keep)
	} else {
		weight = StopGradient(Slice(e.Received, AxisRange(), AxisRangeToEnd(protected)))
		order = rank(numbers(weight), iota(g, batch, n), 0)
	}
	medoid := LessThan(order, scalar(g, keep))
	slot := lookup(order, nearestCentre(distance, medoid)) // [b, n]
	for range m.iterations() {
		medoid = m.medoids(distance, weight, slot)
		slot = lookup(slot, nearestCentre(distance, medoid))
	}
	share := ConvertDType(medoid, x.DType())
	if protected > 0 {
		share = Concatenate([]*Node{Ones(g, shapes.Make(x.DType(), batch, protected)), share}, 1)
	}
	return FuseSum(behindProtected(slot, protected), share, protected+keep)
}

// medoids says of each token whether it is the medoid of its cluster, [batch, n], by distances
// [batch, n, n], weights and clusters [batch, n].
func (m KMedoids) medoids(distance, weight, slot *Node) *Node {
	pairs := distance.Shape()
	same := Equal(BroadcastToShape(InsertAxes(slot, 1), pairs), BroadcastToShape(InsertAxes(slot, 2), pairs))
	cost := Mul(weight, ReduceSum(distance, 2))
	if m.MedoidRule == MedoidOfCluster {
		weighed := Mul(distance, BroadcastToShape(InsertAxes(weight, 1), pairs))
		cost = ReduceSum(Where(same, weighed, ZerosLike(weighed)), 2)
	}
	better := ConvertDType(And(same, precedes(cost)), weight.DType())
	return IsZero(ReduceMax(better, 2))
}

// farthestFirst chooses `keep` tokens by distances [batch, n, n]: the first, then each time the one
// whose distance to any of those chosen is largest. It returns the order of the chosen and n for the
// others, [batch, n]. For the loop see Linkage.agglomerate.
func farthestFirst(distance *Node, keep int) *Node {
	g, pairs := distance.Graph(), distance.Shape()
	tokens := shapes.Make(pairs.DType, pairs.Dimensions[:2]...)
	count := shapes.Make(pairs.DType)
	state := func(g *Graph) (chosen, distance, farthest, order *Node) {
		return Parameter(g, "chosen", count), Parameter(g, "distance", pairs), Parameter(g, "farthest", tokens), Parameter(g, "order", tokens)
	}
	none := func(g *Graph) *Node { return constant(g, tokens, pairs.Dimensions[1]) }
	more := NewClosure(g, func(g *Graph) []*Node {
		chosen, _, _, _ := state(g)
		return []*Node{LessThan(chosen, constant(g, count, keep))}
	})
	choose := NewClosure(g, func(g *Graph) []*Node {
		chosen, distance, farthest, order := state(g)
		open := Equal(order, none(g))
		next := lowest(Where(open, Neg(farthest), constant(g, tokens, 1)))
		isNext := Equal(Iota(g, tokens, 1), along(next, tokens, 1))
		order = Where(isNext, BroadcastToShape(chosen, tokens), order)
		return []*Node{Add(chosen, constant(g, count, 1)), distance, Max(farthest, pick(distance, isNext)), order}
	})
	first := Squeeze(SliceAxis(distance, 1, AxisElem(0)), 1)
	order := Where(IsZero(Iota(g, tokens, 1)), Zeros(g, tokens), none(g))
	return While(more, choose, constant(g, count, 1), distance, first, order)[3]
}

func (m KMedoids) schedule(depth int) keepOfFirst {
	layers := m.Layers
	if layers == nil {
		for _, l := range quarters(depth) {
			if l > 0 {
				layers = append(layers, l-1)
			}
		}
	}
	return keepOfFirst{amountsOf(m.KeepRate, m.KeepRatePerLayer), layers}
}

func (m KMedoids) iterations() int {
	if m.Iterations == 0 {
		return 3
	}
	return m.Iterations
}

// Knob is the keep rate.
func (KMedoids) Knob() Knob { return keepRateKnob() }

// Adjusted replaces the keep rate of every layer.
func (m KMedoids) Adjusted(rate float64) Method {
	m.KeepRate, m.KeepRatePerLayer = rate, nil
	return m
}

func (m KMedoids) validate(depth int) error {
	if n := m.iterations(); n < 1 || n > mostIterations {
		return fmt.Errorf("fusion: iterations is %d, want 1 to %d", n, mostIterations)
	}
	if err := known("medoid_rule", string(m.MedoidRule), "image", "cluster"); err != nil {
		return err
	}
	return m.schedule(depth).validate(depth)
}

// mostIterations bounds the graph, which holds each iteration.
const mostIterations = 100

// kmedoidsJSON is KMedoids in FUSION.json.
type kmedoidsJSON struct {
	Method       string     `json:"method"`
	KeepRate     amounts    `json:"keep_rate"`
	Layers       []int      `json:"layers,omitzero"`
	Iterations   int        `json:"iterations"`
	EqualWeights bool       `json:"equal_weight"`
	MedoidRule   MedoidRule `json:"medoid_rule"`
}

func (m KMedoids) MarshalJSON() ([]byte, error) {
	return json.Marshal(kmedoidsJSON{"kmedoids", m.schedule(0).rates, m.Layers, m.iterations(), m.EqualWeights, orDefault(m.MedoidRule, MedoidOfImage)})
}

func parseKMedoids(data []byte) (Method, error) {
	in := kmedoidsJSON{KeepRate: amounts{0.7}, Iterations: 3}
	if err := strict(data, &in); err != nil {
		return nil, err
	}
	if in.Iterations == 0 {
		return nil, fmt.Errorf("fusion: iterations is 0, want 1 to %d", mostIterations)
	}
	m := KMedoids{Layers: in.Layers, Iterations: in.Iterations, EqualWeights: in.EqualWeights, MedoidRule: in.MedoidRule}
	m.KeepRate, m.KeepRatePerLayer = in.KeepRate.fields()
	return m, m.validate(0)
}
