package fusion

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// matching is bipartite soft matching: the tokens at even positions (A) against those at odd
// positions (B), each pair with a score, the best pairs fused (ToMe, arXiv 2210.09461, section 3),
// in one direction or in both (MCTF, arXiv 2403.10030, section 3.2).
type matching struct {
	scores    *Node // [batch, A, B], larger fuses sooner
	tokens    int
	giveA     int // tokens of A that fuse into B, those with the highest best scores
	giveB     int // tokens of B that then fuse into the A left, taking along what they received
	protected int
	// rows protects the first `protected` rows of A, as MCTF's official code does, instead of the
	// first `protected` tokens of the sequence.
	rows bool
	// rankB orders the B left by descending best score instead of by position.
	rankB bool
}

// matched is who gives to whom.
type matched struct {
	bestA, bestB       *Node // [batch, A] and [batch, B], the score of the best partner
	partnerA, partnerB *Node // their partners, positions in the other set
	rankA, rankB       *Node // 0 is the highest score
	givesA, givesB     *Node // whether they give
	indexA, indexB     *Node // positions in their sets
}

// choose lets A give to B, then B to the A left.
func (m matching) choose() matched {
	g, batch := m.scores.Graph(), m.scores.Shape().Dimensions[0]
	countA, countB := m.scores.Shape().Dimensions[1], m.scores.Shape().Dimensions[2]
	pinnedA, pinnedB := m.pinned()

	scores := numbers(m.scores)
	lowest := Infinity(g, scores.DType(), -1)
	c := matched{indexA: iota(g, batch, countA), indexB: iota(g, batch, countB)}
	forbidden := Or(
		BroadcastToShape(InsertAxes(LessThan(c.indexA, scalar(g, pinnedA)), -1), withBool(scores.Shape())),
		BroadcastToShape(InsertAxes(LessThan(c.indexB, scalar(g, pinnedB)), 1), withBool(scores.Shape())))
	scores = Where(forbidden, BroadcastToShape(lowest, scores.Shape()), scores)

	c.bestA = ReduceMax(scores, 2)
	c.partnerA = ConvertDType(ArgMax(scores, 2), dtypes.Float32)
	c.rankA = rank(c.bestA, c.indexA, pinnedA)
	c.givesA = LessThan(c.rankA, scalar(g, m.giveA))

	left := BroadcastToShape(InsertAxes(c.givesA, -1), withBool(scores.Shape()))
	rest := Where(left, BroadcastToShape(lowest, scores.Shape()), scores)
	c.bestB = ReduceMax(rest, 1)
	c.partnerB = ConvertDType(ArgMax(rest, 1), dtypes.Float32)
	c.rankB = rank(c.bestB, c.indexB, pinnedB)
	c.givesB = LessThan(c.rankB, scalar(g, m.giveB))
	return c
}

// partners returns the token that each token gives itself to, a position in the sequence, -1 where it
// stays: [batch, tokens].
func (m matching) partners() *Node {
	c := m.choose()
	none := func(x *Node) *Node { return AddScalar(ZerosLike(x), -1) }
	a := Where(c.givesA, AddScalar(MulScalar(c.partnerA, 2), 1), none(c.partnerA))
	b := Where(c.givesB, MulScalar(c.partnerB, 2), none(c.partnerB))
	return interleave(a, b, m.tokens)
}

// slots returns the fused token that takes each token, [batch, tokens], how many there are, and the place of
// each token among those that give themselves away, -1 for those that stay, of which each fused token has one.
//
// Order: protected tokens, A left in position order (by descending best score where nothing is
// protected, as the official codes do), B left.
func (m matching) slots() (slot, joins *Node, remaining int) {
	g, countA := m.scores.Graph(), m.scores.Shape().Dimensions[1]
	pinnedA, pinnedB := m.pinned()
	remaining = m.tokens - m.giveA - m.giveB
	c := m.choose()

	slotA := Sub(c.rankA, scalar(g, m.giveA)) // in the order of their scores
	if m.protected > 0 {
		slotA = countBefore(LogicalNot(c.givesA)) // in position order
	}
	slotB := AddScalar(c.rankB, pinnedB+countA-m.giveA-m.giveB)
	if !m.rankB {
		slotB = AddScalar(c.indexB, countA-m.giveA)
	}

	// The protected tokens of B go in front with those of A: order is 0, 1, 2, ... again.
	if pinnedB > 0 {
		slotA = Where(LessThan(c.indexA, scalar(g, pinnedA)), MulScalar(c.indexA, 2), AddScalar(slotA, pinnedB))
		slotB = Where(LessThan(c.indexB, scalar(g, pinnedB)), AddScalar(MulScalar(c.indexB, 2), 1), slotB)
	}
	// A group can chain, a2 -> b1 -> a0, so B's slots must be final before A's givers look them up.
	slotB = Where(c.givesB, lookup(slotA, c.partnerB), slotB)
	slotA = Where(c.givesA, lookup(slotB, c.partnerA), slotA)
	placeA := Where(c.givesA, c.rankA, AddScalar(ZerosLike(c.rankA), -1))
	placeB := Where(c.givesB, AddScalar(c.rankB, m.giveA), AddScalar(ZerosLike(c.rankB), -1))
	return interleave(slotA, slotB, m.tokens), interleave(placeA, placeB, m.tokens), remaining
}

// assign pools the tokens that were matched.
func (m matching) assign(e Evidence, p Pooling) *Assignment {
	var slot, joins *Node
	define := func() *Node {
		slot, joins, _ = m.slots()
		return slot
	}
	if e.Inference {
		slot = m.slot(define)
	} else {
		define()
	}
	a := p.assign(e, slot, m.tokens-m.giveA-m.giveB)
	a.matching = &m
	if joins != nil {
		a.joins = StopGradient(joins)
	}
	return a
}

// pinned returns how many leading members of A and of B are protected.
func (m matching) pinned() (a, b int) {
	if m.rows {
		return m.protected, 0
	}
	return (m.protected + 1) / 2, m.protected / 2
}

// numbers puts the lowest number in the place of scores that are none (NaN), and of minus infinity: they come
// last, but before what must not be chosen. Scores pass through it before they are compared in any way:
// backends differ in what they make of NaN, and a rank could be taken twice.
func numbers(scores *Node) *Node {
	lowest := MulScalar(OnesLike(scores), -math.MaxFloat32)
	return Where(GreaterOrEqual(scores, lowest), scores, lowest)
}

// rank returns #{j: s_j > s_i} + #{j < i: s_j = s_i} for scores [batch, n]: 0 for the highest,
// ties to the lower index. A comparison matrix of a hundred by a hundred is cheap on every backend,
// where a sort is not. The first `pinned` scores never take part: they rank behind all others. None may be
// NaN: see numbers.
func rank(score, index *Node, pinned int) *Node {
	batch, n := score.Shape().Dimensions[0], score.Shape().Dimensions[1]
	full := shapes.Make(score.DType(), batch, n, n)
	other := BroadcastToShape(InsertAxes(score, 1), full)
	own := BroadcastToShape(InsertAxes(score, 2), full)
	otherIndex := BroadcastToShape(InsertAxes(index, 1), full)
	ownIndex := BroadcastToShape(InsertAxes(index, 2), full)
	ahead := Or(GreaterThan(other, own), And(Equal(other, own), LessThan(otherIndex, ownIndex)))
	if pinned > 0 {
		// Compared by position alone where either is pinned, so that no rank is taken twice.
		g := score.Graph()
		otherPinned := LessThan(otherIndex, scalar(g, pinned))
		ownPinned := LessThan(ownIndex, scalar(g, pinned))
		ahead = Where(ownPinned, Or(LogicalNot(otherPinned), LessThan(otherIndex, ownIndex)),
			And(LogicalNot(otherPinned), ahead))
	}
	return ReduceSum(ConvertDType(ahead, dtypes.Float32), 2)
}

// countBefore returns for each position how many before it are marked [batch, n], true or false.
func countBefore(marked *Node) *Node {
	d := marked.Shape().Dimensions
	square := shapes.Make(dtypes.Float32, d[0], d[1], d[1])
	before := LessThan(Iota(marked.Graph(), square, 2), Iota(marked.Graph(), square, 1)) // [own, other]
	return ReduceSum(ConvertDType(And(before, BroadcastToShape(InsertAxes(marked, 1), before.Shape())), square.DType), 2)
}

// lookup returns table[index] for table [batch, n] and index [batch, m] holding whole numbers from 0 to
// n-1. A gather of so few values is faster than a comparison with all, and compiles in a third of the
// time.
func lookup(table, index *Node) *Node { return Squeeze(rows(InsertAxes(table, -1), index), -1) }

// interleave puts A [batch, ceil(tokens/2)] and B [batch, floor(tokens/2)] back in token order.
func interleave(a, b *Node, tokens int) *Node {
	batch, countA, countB := a.Shape().Dimensions[0], a.Shape().Dimensions[1], b.Shape().Dimensions[1]
	if countB < countA {
		b = Concatenate([]*Node{b, Zeros(b.Graph(), shapes.Make(b.DType(), batch, countA-countB))}, 1)
	}
	both := Reshape(Stack([]*Node{a, b}, 2), batch, 2*countA)
	return Slice(both, AxisRange(), AxisRange(0, tokens))
}

// split returns the rows of x [batch, tokens, ...] at even and at odd positions.
func split(x *Node) (a, b *Node) {
	return Slice(x, AxisRange(), AxisRange().Stride(2)), Slice(x, AxisRange(), AxisRangeToEnd(1).Stride(2))
}

func iota(g *Graph, batch, n int) *Node { return Iota(g, shapes.Make(dtypes.Float32, batch, n), 1) }

func scalar(g *Graph, value int) *Node { return Scalar(g, dtypes.Float32, value) }

func withBool(s shapes.Shape) shapes.Shape { return shapes.Make(dtypes.Bool, s.Dimensions...) }
