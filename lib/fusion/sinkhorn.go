package fusion

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Sinkhorn shares the patches out among learned centres by optimal transport (Haurum et al., arXiv
// 2308.04657, section 3.1, one of the methods compared there; its code is JoakimHaurum/TokenReduction,
// models/sinkhorn.py, log_optimal_transport, which this follows). Before a block, the cosines of M
// centres and N patches over Eps go through Iterations of Sinkhorn's normalisation in the logarithmic
// domain (Cuturi, arXiv 1306.0895), so that every patch gives 1 in all and every centre takes N/M, up to
// what the iterations leave. The fused tokens are those shares times the patches of unit length; they
// are sums, not means. The class token stays as it is.
//
// The weights are cluster_layers.N.v [M, dim], the centres, N counting the layers that reduce. Their
// length has no effect: the official code scales them to 1 in place at every pass, here the graph does,
// and the gradient is the official one's part along the sphere.
//
// For sizes and source maps a patch counts where its share is largest. The number of centres is fixed
// by the checkpoint, through KeepRate and the number of patches.
type Sinkhorn struct {
	// KeepRate is the share of patches that the first of the layers leaves; of as many as the image has
	// the second leaves its square, the third its cube, rounded down, but never fewer than one.
	KeepRate float64
	// KeepRatePerLayer replaces KeepRate by one share of the image's patches per entry of Layers.
	KeepRatePerLayer []float64
	// Layers that reduce, counted from 0; nil is 3, 6, 9 of 12, and so on for other depths.
	Layers []int
	// Eps is the weight of the entropy: the smaller, the harder the shares. 0 is 1, the default of the
	// official code; below 0.001, where float32 tells nothing apart any more, is an error.
	Eps float64
	// Iterations of the normalisation; 0 is 3, the default of the official code.
	Iterations int
}

func (Sinkhorn) Name() string                { return "sinkhorn" }
func (Sinkhorn) ProportionalAttention() bool { return false }

func (m Sinkhorn) schedule() keepOfFirst {
	return keepOfFirst{amountsOf(m.KeepRate, m.KeepRatePerLayer), m.Layers}
}

func (m Sinkhorn) eps() float64 {
	if m.Eps == 0 {
		return 1
	}
	return m.Eps
}

func (m Sinkhorn) iterations() int {
	if m.Iterations == 0 {
		return 3
	}
	return m.Iterations
}

// Step shares the patches out among fewer centres. Where they would not be fewer nothing happens, and
// nothing is learned.
func (m Sinkhorn) Step(at Layer) (*Step, error) {
	if err := m.validate(); err != nil {
		return nil, err
	}
	stage, keep, err := m.schedule().at(at)
	if err != nil || keep == 0 {
		return nil, err
	}
	name := fmt.Sprintf("cluster_layers.%d.v", stage)
	return &Step{
		Place:     BeforeBlock,
		Remaining: at.Protected + keep,
		Matching:  2 * keep * (at.Tokens - at.Protected) * at.Dim,
		Learned:   []Weight{{Name: name, Dims: []int{keep, at.Dim}, Start: StartNormal}},
		Assign: func(e Evidence) *Assignment {
			unit := func(x *Node) *Node { return L2Normalize(x, -1) }
			centres := unit(e.Learned(name, keep, at.Dim))
			cosines := EinsumAxes(unit(patches(e.X, at.Protected)), centres, [][2]int{{2, 1}}, nil) // [b, patches, centres]
			a := mixPatches(transport(DivScalar(TransposeAllAxes(cosines, 0, 2, 1), m.eps()), m.iterations()), at.Protected)
			a.pool = func(a *Assignment, x *Node) *Node { return a.Mean(onPatches(x, at.Protected, unit)) }
			return a
		},
	}, nil
}

// transport returns the shares exp(score + u + v) [batch, centres, patches], where u of each centre and
// v of each patch make rows and columns sum to the same for all, in turn, patches last.
func transport(score *Node, iterations int) *Node {
	d := score.Shape().Dimensions
	total := math.Log(float64(d[1] + d[2])) // of the official code's marginals, 1/(centres + patches) each
	u, v := (*Node)(nil), Zeros(score.Graph(), shapes.Make(score.DType(), d[0], 1, d[2]))
	for range iterations {
		u = AddScalar(Neg(logSumExp(Add(score, v), 2)), -total) // [b, centres, 1]
		v = AddScalar(Neg(logSumExp(Add(score, u), 1)), -total) // [b, 1, patches]
	}
	return Exp(AddScalar(Add(Add(score, u), v), total))
}

// logSumExp keeps the axis.
func logSumExp(x *Node, axis int) *Node {
	largest := StopGradient(ReduceAndKeep(x, ReduceMax, axis))
	return Add(Log(ReduceAndKeep(Exp(Sub(x, largest)), ReduceSum, axis)), largest)
}

// Knob is the keep rate.
func (Sinkhorn) Knob() Knob { return keepRateKnob() }

// Adjusted replaces the keep rate of every layer.
func (m Sinkhorn) Adjusted(rate float64) Method {
	m.KeepRate, m.KeepRatePerLayer = rate, nil
	return m
}

func (m Sinkhorn) validate() error {
	const least, most = 0.001, 1000
	if !(m.eps() >= least && m.eps() <= most) {
		return fmt.Errorf("fusion: eps is %v, want %v to %v", m.Eps, least, most)
	}
	if n := m.iterations(); n < 1 || n > most {
		return fmt.Errorf("fusion: iterations is %d, want 1 to %d", n, most)
	}
	return nil
}

type sinkhornJSON struct {
	Method     string  `json:"method"`
	KeepRate   amounts `json:"keep_rate"`
	Layers     []int   `json:"layers,omitzero"`
	Eps        float64 `json:"eps"`
	Iterations int     `json:"iterations"`
}

// MarshalJSON writes FUSION.json.
func (m Sinkhorn) MarshalJSON() ([]byte, error) {
	k := m.schedule()
	return json.Marshal(sinkhornJSON{m.Name(), k.rates, m.Layers, m.eps(), m.iterations()})
}

func parseSinkhorn(data []byte) (Method, error) {
	in := sinkhornJSON{KeepRate: amounts{0.7}, Eps: 1, Iterations: 3}
	if err := strict(data, &in); err != nil {
		return nil, err
	}
	if in.Eps == 0 || in.Iterations == 0 { // which stand for the defaults in Go, not in JSON
		return nil, fmt.Errorf("fusion: eps is %v and iterations is %d, want both above 0", in.Eps, in.Iterations)
	}
	m := Sinkhorn{Layers: in.Layers, Eps: in.Eps, Iterations: in.Iterations}
	m.KeepRate, m.KeepRatePerLayer = in.KeepRate.fields()
	if err := m.schedule().validate(0); err != nil {
		return nil, err
	}
	return m, m.validate()
}
