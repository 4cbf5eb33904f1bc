package fusion

import (
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Linkage is the distance of two clusters in agglomerative clustering, made of the distances of their
// members: D(I, J) single, complete and average in ATC, arXiv 2409.11923; `linkage` of scikit-learn's
// AgglomerativeClustering, which the official code calls.
type Linkage string

const (
	LinkSingle   Linkage = "single"   // of the two nearest members
	LinkComplete Linkage = "complete" // of the two farthest members
	LinkAverage  Linkage = "average"  // the mean over all pairs of members
)

// faraway is a distance that no pair has: of a token to itself, and to a cluster that is no more.
const faraway = 1_000_000_000

// agglomerate merges the two nearest clusters, as often as `merges` says, starting with each token a
// cluster of its own, by distances [batch, n, n], of which the upper triangle counts (rounding may
// make two of a distance). It returns for each token the lowest position in its cluster, [batch, n]. Of
// several nearest pairs the one with the lowest position goes first.
//
// The new cluster's distances come from those of the two it is made of (Lance and Williams 1967), so a
// merge costs O(n^2) and all of them O(n^3). They are steps of one loop, not `merges` copies of the
// graph, and its memory is one [batch, n, n].
//
// Three things keep the bodies of loops as they are here. XLA's backend has one reduction function for
// the whole graph, so a body must not reduce: see fold. GoMLX has one node for each scalar of a graph,
// so a body must make its own: see constant. The pure Go backend compiles bodies before it drops
// broadcasts of equal rank, so a body must broadcast from a lower rank: see along.
func (l Linkage) agglomerate(distances *Node, merges int) *Node {
	g, pairs := distances.Graph(), distances.Shape()
	tokens := shapes.Make(pairs.DType, pairs.Dimensions[:2]...)
	row, column := Iota(g, pairs, 1), Iota(g, pairs, 2)
	distances = Where(LessThan(column, row), Transpose(distances, 1, 2), distances)
	distances = Where(Equal(column, row), constant(g, pairs, faraway), distances)
	count := shapes.Make(pairs.DType)
	state := func(g *Graph) (done, distances, leader *Node) {
		return Parameter(g, "done", count), Parameter(g, "distances", pairs), Parameter(g, "leader", tokens)
	}
	more := NewClosure(g, func(g *Graph) []*Node {
		done, _, _ := state(g)
		return []*Node{LessThan(done, constant(g, count, merges))}
	})
	merge := NewClosure(g, func(g *Graph) []*Node {
		done, distances, leader := state(g)
		distances, leader = l.merge(distances, leader)
		return []*Node{Add(done, constant(g, count, 1)), distances, leader}
	})
	return While(more, merge, constant(g, count, 0), distances, Iota(g, tokens, 1))[2]
}

// merge makes the two nearest clusters one, in the place of the one with the lower position.
func (l Linkage) merge(distances, leader *Node) (*Node, *Node) {
	g, pairs, tokens := distances.Graph(), distances.Shape(), leader.Shape()
	index := Iota(g, tokens, 1)
	first := lowest(fold(distances, 1, Min)) // [b]
	isFirst := Equal(index, along(first, tokens, 1))
	fromFirst := pick(distances, isFirst) // [b, n]
	second := lowest(fromFirst)
	isSecond := Equal(index, along(second, tokens, 1))
	fromSecond := pick(distances, isSecond)

	var fused *Node
	switch l {
	case LinkSingle:
		fused = Min(fromFirst, fromSecond)
	case LinkComplete:
		fused = Max(fromFirst, fromSecond)
	default:
		a, b := members(leader, first), members(leader, second)
		fused = Div(Add(Mul(a, fromFirst), Mul(b, fromSecond)), Add(a, b))
	}
	fused = Where(Or(isFirst, isSecond), constant(g, tokens, faraway), fused)

	row := func(x *Node) *Node { return along(x, pairs, 2) }
	column := func(x *Node) *Node { return along(x, pairs, 1) }
	distances = Where(row(isFirst), column(fused), Where(column(isFirst), row(fused), distances))
	gone := Or(row(isSecond), column(isSecond))
	distances = Where(gone, constant(g, pairs, faraway), distances)
	return distances, Where(Equal(leader, along(second, tokens, 1)), along(first, tokens, 1), leader)
}

// members counts the tokens that a leader [batch] leads, the same for each token, [batch, n].
func members(leader, who *Node) *Node {
	led := ConvertDType(Equal(leader, along(who, leader.Shape(), 1)), leader.DType())
	ones := constant(led.Graph(), led.Shape(), 1)
	return along(EinsumAxes(led, ones, [][2]int{{1, 1}}, [][2]int{{0, 0}}), leader.Shape(), 1)
}

// pick returns the row of x [batch, n, m] where `is` [batch, n] is true, [batch, m].
func pick(x, is *Node) *Node {
	return EinsumAxes(ConvertDType(is, x.DType()), x, [][2]int{{1, 1}}, [][2]int{{0, 0}})
}

// lowest returns the first position of the least value of x [batch, n], [batch].
func lowest(x *Node) *Node {
	g, shape := x.Graph(), x.Shape()
	is := Equal(x, along(fold(x, 1, Min), shape, 1))
	return fold(Where(is, Iota(g, shape, 1), constant(g, shape, shape.Dimensions[1])), 1, Min)
}

// fold is a reduction of an axis by an operation that may see a value twice, such as Min: halves upon
// halves.
func fold(x *Node, axis int, by func(a, b *Node) *Node) *Node {
	for n := x.Shape().Dimensions[axis]; n > 1; n = (n + 1) / 2 {
		half := (n + 1) / 2
		x = by(SliceAxis(x, axis, AxisRange(0, half)), SliceAxis(x, axis, AxisRange(n-half, n)))
	}
	return Squeeze(x, axis)
}

// along broadcasts x along an axis that it does not have yet, to the dimensions of a shape.
func along(x *Node, shape shapes.Shape, axis int) *Node {
	return ExpandAndBroadcast(x, shape.Dimensions, []int{axis})
}

// constant is a value that fills a float32 shape, a node of its own.
func constant(g *Graph, shape shapes.Shape, value int) *Node {
	return BroadcastToShape(Const(g, float32(value)), shape)
}
