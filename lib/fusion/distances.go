package fusion

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// What the clustering methods share: ATC, K-Medoids, DPC-KNN.

// squaredDistances returns the squared Euclidean distance of each pair of tokens, [batch, n, dim] ->
// [batch, n, n], by one matrix product; exactly 0 between a token and itself. What is too large or no
// number is as far as can be.
func squaredDistances(x *Node) *Node {
	product := EinsumAxes(x, x, [][2]int{{2, 2}}, [][2]int{{0, 0}})
	square := product.Shape()
	norm := ReduceSum(Square(x), 2)
	both := Add(BroadcastToShape(InsertAxes(norm, 1), square), BroadcastToShape(InsertAxes(norm, 2), square))
	distance := MaxScalar(Sub(both, MulScalar(product, 2)), 0)
	farthest := MulScalar(OnesLike(distance), math.MaxFloat32)
	distance = Where(LessOrEqual(distance, farthest), distance, farthest)
	return Where(itself(product), ZerosLike(product), distance)
}

// itself is true where a pair [batch, n, n] is a token and itself.
func itself(pairs *Node) *Node {
	g, square := pairs.Graph(), shapes.Make(dtypes.Int32, pairs.Shape().Dimensions...)
	return Equal(Iota(g, square, 1), Iota(g, square, 2))
}

// precedes says for each pair (i, j) whether j comes before i by value [batch, n], the smaller first,
// ties by position: [batch, n, n]. What is no number comes last.
func precedes(value *Node) *Node {
	value = Where(IsNaN(value), BroadcastToShape(Infinity(value.Graph(), value.DType(), 1), value.Shape()), value)
	g, batch, n := value.Graph(), value.Shape().Dimensions[0], value.Shape().Dimensions[1]
	square := shapes.Make(value.DType(), batch, n, n)
	own, other := BroadcastToShape(InsertAxes(value, 2), square), BroadcastToShape(InsertAxes(value, 1), square)
	return Or(LessThan(other, own), And(Equal(other, own), LessThan(Iota(g, square, 2), Iota(g, square, 1))))
}

// nearestCentre returns for each token the position of its nearest centre, ties to the lower position, by
// distances [batch, n, n], none below 0, and centre [batch, n], true or false. A centre is its own.
func nearestCentre(distance, centre *Node) *Node {
	square := distance.Shape()
	distance = Where(itself(distance), AddScalar(ZerosLike(distance), -1), distance)
	never := BroadcastToShape(Infinity(distance.Graph(), distance.DType(), 1), square)
	distance = Where(BroadcastToShape(InsertAxes(centre, 1), withBool(square)), distance, never)
	return ConvertDType(ArgMin(distance, 2), distance.DType())
}
