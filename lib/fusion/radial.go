package fusion

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

// Norm measures how far a patch is from the centre of the image.
type Norm string

const (
	L1   Norm = "l1"   // |x| + |y|: diamonds
	L2   Norm = "l2"   // circles
	LInf Norm = "linf" // max(|x|, |y|): squares
)

// Radial keeps the patches nearest to the centre of the image, whatever it shows: the fixed patterns of
// "Which Tokens to Use?" (Haurum et al., arXiv 2308.04657, section 3.1), against which choices that look
// at the image are held ("Do Pruning-based Reduction Patterns Differ from Fixed Patterns?").
//
// The patches at one distance stay or go together, so that the pattern is symmetric: of all distances
// the one is taken that leaves as near as can be to floor(rate^k * patches of the image), the smaller of
// two as near. At least the innermost patches stay. Of 14 by 14 patches at a rate of 0.7, l1 leaves 136,
// 92 and 68, l2 140, 96 and 68, linf 144, 100 and 64. Patches are dropped before the block. This is the
// official code (JoakimHaurum/TokenReduction, models/heuristic.py) with --not_contiguous; without it a
// radius shrinks in every layer.
//
// Distances are those of the official code to the bit: float32 on coordinates that run from edge to
// edge, whose rounding parts some patches that are equally far on paper. On a grid with an odd side the
// official centre is half a patch off; ours is not. Tokens that other methods have fused before are as
// far away as their patches in the mean.
type Radial struct {
	Norm Norm // L1 also when empty
	// KeepRate is the share of patches that the first of the layers leaves, about; the second leaves its
	// square, the third its cube, of as many as the image has.
	KeepRate float64
	// KeepRatePerLayer replaces KeepRate by one share of the image's patches per entry of Layers.
	KeepRatePerLayer []float64
	// Layers that reduce, counted from 0; nil is 3, 6, 9 of 12, and so on for other depths.
	Layers []int
}

func (Radial) Name() string                { return "radial" }
func (Radial) ProportionalAttention() bool { return false }

func (m Radial) schedule() keepOfFirst {
	return keepOfFirst{amountsOf(m.KeepRate, m.KeepRatePerLayer), m.Layers}
}

// Step keeps the central patches. It needs the model's grid of patches; without one (a single step) the
// tokens are taken for a square.
func (m Radial) Step(at Layer) (*Step, error) {
	if err := m.validate(at.Depth); err != nil {
		return nil, err
	}
	patches := at.Tokens - at.Protected
	_, want := m.schedule().planned(at)
	if patches <= 0 || want == 0 {
		return nil, nil
	}
	if at.Rows*at.Cols == 0 {
		at.Rows = int(math.Round(math.Sqrt(float64(patches))))
		if at.Cols = at.Rows; at.Rows*at.Cols != patches {
			return nil, fmt.Errorf("fusion: radial needs a grid of patches, and %d are not a square", patches)
		}
	}
	distance := m.distances(at.Rows, at.Cols)
	keep := wholeRing(distance, want)
	if keep >= patches {
		return nil, nil
	}
	return &Step{
		Place:     BeforeBlock,
		Remaining: at.Protected + keep,
		Assign: func(e Evidence) *Assignment {
			return Keep(among(e.Present, Neg(spread(e, distance, at))), at.Protected, keep)
		},
	}, nil
}

// distances returns the distance of each patch from the centre, in reading order.
func (m Radial) distances(rows, cols int) []float32 {
	var all []float32
	for row := range rows {
		for col := range cols {
			x, y := offCentre(row, rows), offCentre(col, cols)
			var d float32
			switch orDefault(m.Norm, L1) {
			case L1:
				d = x + y
			case L2:
				d = float32(math.Sqrt(float64(float32(x*x) + float32(y*y)))) // no fused multiply-add
			case LInf:
				d = max(x, y)
			}
			all = append(all, d)
		}
	}
	return all
}

// offCentre is how far the i-th of n patches is from the middle, where the first and the last are n/2
// away, rounded as PyTorch's linspace rounds on processors that multiply and add in one step.
func offCentre(i, n int) float32 {
	i = min(i, n-1-i) // from the nearer edge
	if 2*i == n-1 {
		return 0
	}
	step := float32(n) / float32(n-1)
	return float32(float64(n)/2 - float64(step)*float64(i))
}

// wholeRing returns the count of patches, out of those that a limit on the distance can leave, nearest
// to want; the smaller of two as near.
func wholeRing(distance []float32, want int) int {
	sorted := slices.Sorted(slices.Values(distance))
	best := len(sorted)
	for count := len(sorted); count > 0; count-- {
		edge := count == len(sorted) || sorted[count-1] != sorted[count]
		if edge && max(want-count, count-want) <= max(want-best, best-want) {
			best = count
		}
	}
	return best
}

// spread gives each token, [batch, tokens], the mean of what its patches have.
func spread(e Evidence, patches []float32, at Layer) *Node {
	g, batch := e.X.Graph(), e.X.Shape().Dimensions[0]
	first := Const(g, append(make([]float32, at.Protected), patches...))
	have, want := at.Tokens, first.Shape().Dimensions[0]
	if e.Source != nil {
		have = e.Source.Shape().Dimensions[2]
	}
	if have != want {
		panic(fmt.Errorf("fusion: radial knows %d by %d patches, the model has %d tokens", at.Rows, at.Cols, have))
	}
	if e.Source == nil {
		return BroadcastPrefix(first, batch)
	}
	total := EinsumAxes(e.Source, first, [][2]int{{2, 0}}, nil)
	return Div(total, MaxScalar(ReduceSum(e.Source, 2), 1))
}

// Knob is the keep rate.
func (Radial) Knob() Knob { return keepRateKnob() }

// Adjusted replaces the keep rate of every layer.
func (m Radial) Adjusted(rate float64) Method {
	m.KeepRate, m.KeepRatePerLayer = rate, nil
	return m
}

func (m Radial) validate(depth int) error {
	if err := known("norm", string(m.Norm), "l1", "l2", "linf"); err != nil {
		return err
	}
	return m.schedule().validate(depth)
}

type radialJSON struct {
	Method   string  `json:"method"`
	Norm     Norm    `json:"norm"`
	KeepRate amounts `json:"keep_rate"`
	Layers   []int   `json:"layers,omitzero"`
}

func (m Radial) MarshalJSON() ([]byte, error) {
	return json.Marshal(radialJSON{"radial", orDefault(m.Norm, L1), m.schedule().rates, m.Layers})
}

func parseRadial(data []byte) (Method, error) {
	in := radialJSON{KeepRate: amounts{0.7}}
	if err := strict(data, &in); err != nil {
		return nil, err
	}
	m := Radial{Norm: in.Norm, Layers: in.Layers}
	m.KeepRate, m.KeepRatePerLayer = in.KeepRate.fields()
	return m, m.validate(0)
}
