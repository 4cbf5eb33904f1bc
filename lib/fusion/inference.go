package fusion

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/native"
)

// Without gradients the steps that match pairs are made of package native's operations, where the backend has
// them: each of these calls one, whose definition is what the step is made of elsewhere.

// pairsOf is the shape of scores of the tokens x [batch, tokens, dim]: [batch, A, B].
func pairsOf(x *Node) shapes.Shape {
	d := x.Shape().Dimensions
	return shapes.Make(x.DType(), d[0], (d[1]+1)/2, d[1]/2)
}

// cosinesOfPairs returns the cosine of each token of A with each of B, x [batch, tokens, dim] ->
// [batch, A, B].
func cosinesOfPairs(x *Node, inference bool) *Node {
	definition := func() *Node {
		a, b := split(x)
		lengthA, lengthB := split(length(x))
		return cosines(direction(a, lengthA), direction(b, lengthB))
	}
	if !inference {
		return definition()
	}
	return native.One("cosines", definition, pairsOf(x), x)
}

// origins say how came about the values of criteria, so that one operation can make the scores of all pairs.
type origins struct {
	compared, cosine *Node           // tokens of A, and the cosines with those of B, [batch, A, B]
	similarity       *Node           // made of the cosines
	inverses         map[*Node]*Node // values, and what they are 1 over, [batch, tokens] both
	weight           *Node           // a weight of tokens, [batch, tokens]
	factors          []*Node         // size and attention received, of which it is made
}

// similarityOf is (cosine + 1) / 2 of each pair.
func (k *origins) similarityOf(a, b *Node) *Node {
	if k == nil || a != k.compared { // tokens of one's own
		return MulScalar(OnePlus(cosines(direction(a, length(a)), direction(b, length(b)))), 0.5)
	}
	k.similarity = MulScalar(OnePlus(k.cosine), 0.5)
	return k.similarity
}

// inverseOf is 1 over x, or over 1e-30.
func (k *origins) inverseOf(x *Node) *Node {
	value := Reciprocal(MaxScalar(x, 1e-30))
	if k != nil {
		if k.inverses == nil {
			k.inverses = map[*Node]*Node{}
		}
		k.inverses[value] = x
	}
	return value
}

// product is a weight that is made of size and attention received, at least 1e-30.
func (k *origins) product(weight, size, received *Node) *Node {
	if k != nil {
		k.weight, k.factors = weight, []*Node{size, received}
	}
	return weight
}

// factorsOf is what a weight is made of, itself where that is not known.
func (k *origins) factorsOf(weight *Node) []*Node {
	if weight == k.weight {
		return k.factors
	}
	return []*Node{weight}
}

// factors are those of a score that package native can make.
type factors struct {
	similarity float32 // its power
	values     []*Node
	powers     []float32
	others     bool // there are such as it cannot
}

// token adds a criterion of single tokens, 1 over x; nil is another.
func (f *factors) token(x *Node, tau float64) {
	f.others = f.others || x == nil
	f.values, f.powers = append(f.values, x), append(f.powers, float32(1/tau))
}

// pair adds a criterion of pairs, of which it knows similarity, once.
func (f *factors) pair(similarity bool, tau float64) {
	f.others = f.others || !similarity || f.similarity != 0
	f.similarity = float32(1 / tau)
}

// scores is the product of all criteria for tokens x, [batch, A, B], which definition makes elsewhere.
func (f *factors) scores(definition func() *Node, x *Node) *Node {
	const most = 8 // values of single tokens
	if f.others || len(f.values) > most {
		return definition()
	}
	powers := Const(x.Graph(), append([]float32{f.similarity}, f.powers...))
	return native.One("scores", definition, pairsOf(x), append([]*Node{x, powers}, f.values...)...)
}

// slot is what slots makes first; definition makes it elsewhere.
func (m matching) slot(definition func() *Node) *Node {
	pinnedA, pinnedB := m.pinned()
	flag := map[bool]int32{true: 1}
	settings := []int32{int32(m.giveA), int32(m.giveB), int32(pinnedA), int32(pinnedB), flag[m.protected > 0], flag[m.rankB]}
	slots := shapes.Make(dtypes.Float32, m.scores.Shape().Dimensions[0], m.tokens)
	return native.One("match", definition, slots, m.scores, Const(m.scores.Graph(), settings))
}

// fuseProduct is Fuse by weights that are the product of some, [batch, tokens] each.
func fuseProduct(slot *Node, factors []*Node, definition *Node, remaining int) *Assignment {
	share := native.One("share", func() *Node { return Fuse(slot, definition, remaining).weight }, slot.Shape(),
		append([]*Node{slot}, factors...)...)
	return FuseSum(slot, share, remaining).ForInference()
}

// pooledBy is x [batch, tokens, dim] pooled by shares [batch, tokens]; definition makes it elsewhere.
func (a *Assignment) pooledBy(share, x *Node, definition func() *Node) *Node {
	if !a.inference {
		return definition()
	}
	d := x.Shape().Dimensions
	return native.One("pool", definition, shapes.Make(x.DType(), d[0], a.remaining, d[2]), x, a.slot, share)
}

// spreadOut is x [batch, fused tokens, dim] given to all tokens; definition makes it elsewhere.
func (a *Assignment) spreadOut(x *Node, definition func() *Node) *Node {
	if !a.inference {
		return definition()
	}
	d := x.Shape().Dimensions
	return native.One("spread", definition, shapes.Make(x.DType(), d[0], a.slot.Shape().Dimensions[1], d[2]), x, a.slot)
}
