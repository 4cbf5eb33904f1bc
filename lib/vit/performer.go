package vit

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/fusion"
)

// performer is a transformer block whose attention is linear in the number of tokens: the softmax is
// taken apart by positive random features (Choromanski et al., arXiv 2009.14794, lemma 1). In T2T-ViT
// it has one head, the values as residual (tokens change their width from in to dim), features of
// half the width, and an MLP of ratio 1. The features are fixed weights of the checkpoint.
type performer struct {
	name    string
	in, dim int
}

func (p performer) features() int { return p.dim / 2 }

func (p performer) weights() []fusion.Weight {
	return slices.Concat(
		[]fusion.Weight{{Name: p.name + ".w", Dims: []int{p.features(), p.dim}}},
		linearWeights(p.name+".kqv", 3*p.dim, p.in, true),
		linearWeights(p.name+".proj", p.dim, p.dim, true),
		normWeights(p.name+".norm1", p.in),
		normWeights(p.name+".norm2", p.dim),
		linearWeights(p.name+".mlp.0", p.dim, p.dim, true),
		linearWeights(p.name+".mlp.2", p.dim, p.dim, true),
	)
}

func (p performer) forward(l layers, x *Node) *Node {
	weight, bias := l.value(p.name+".kqv.weight", 3*p.dim, p.in), l.value(p.name+".kqv.bias", 3*p.dim)
	kqv := l.norm(p.name+".norm1", x).linear(weight, bias, 0, 3*p.dim, 1)[0]
	third := func(i int) *Node { return Slice(kqv, AxisRange(), AxisRange(), AxisRange(i*p.dim, (i+1)*p.dim)) }
	keys, queries, values := p.exponential(l, third(0)), p.exponential(l, third(1)), third(2)

	batch := [][2]int{{0, 0}}
	mixed := EinsumAxes(keys, values, [][2]int{{1, 1}}, batch)                      // [b, m, d]
	mixed = EinsumAxes(queries, mixed, [][2]int{{2, 1}}, batch)                     // [b, t, d]
	total := EinsumAxes(queries, ReduceSum(keys, 1), [][2]int{{2, 1}}, batch)       // [b, t]
	total = BroadcastToShape(InsertAxes(AddScalar(total, 1e-8), -1), mixed.Shape()) // 1e-8 as the official code
	x = l.onto(values, p.name+".proj", Div(mixed, total))

	return l.onto(x, p.name+".mlp.2", l.norm(p.name+".norm2", x).activated(p.name+".mlp.0", p.dim))
}

// exponential maps x [batch, tokens, dim] to features exp(w x - |x|²/2) / sqrt(m), [batch, tokens, m].
func (p performer) exponential(l layers, x *Node) *Node {
	projected := l.affine(x, l.value(p.name+".w", p.features(), p.dim), nil)
	half := MulScalar(ReduceAndKeep(Square(x), ReduceSum, -1), 0.5)
	return MulScalar(Exp(Sub(projected, BroadcastToShape(half, projected.Shape()))), 1/math.Sqrt(float64(p.features())))
}

// macs counts each of the code's einsums as the matrix product it is.
func (p performer) macs(tokens int) int {
	linear := p.in*3*p.dim + p.dim*p.dim + 2*p.dim*p.dim
	attention := 2*p.dim*p.features() + p.features() + 2*p.features()*p.dim
	return tokens*(linear+attention) + normMACs(tokens*(p.in+p.dim))
}

// isRandomFeatures reports whether a weight is a performer's fixed features.
func isRandomFeatures(name string) bool {
	return strings.HasPrefix(name, "tokens_to_token.") && strings.HasSuffix(name, ".w")
}

// randomFeatures returns m orthogonal vectors of length sqrt(m) in dim dimensions, row by row.
func randomFeatures(rng *rand.Rand, m, dim int) []float32 {
	var basis [][]float64
	var all []float32
	for range m {
		v := make([]float64, dim)
		for i := range v {
			v[i] = rng.NormFloat64()
		}
		for _, b := range basis { // Gram and Schmidt
			along := dot(v, b)
			for i := range v {
				v[i] -= along * b[i]
			}
		}
		length := math.Sqrt(dot(v, v))
		for i := range v {
			v[i] /= length
			all = append(all, float32(v[i]*math.Sqrt(float64(m))))
		}
		basis = append(basis, v)
	}
	return all
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
