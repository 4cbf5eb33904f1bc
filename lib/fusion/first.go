package fusion

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// First keeps the first tokens of x [batch, tokens, dim] and drops the others. Tokens are cut off, not
// multiplied by a matrix of zeros and ones, so that it costs next to nothing: the measure of what a
// method could gain whose step were free.
func First(x *Node, remaining int) *Assignment {
	g, d := x.Graph(), x.Shape().Dimensions
	index := iota(g, d[0], d[1])
	slot := Where(LessThan(index, scalar(g, remaining)), index, AddScalar(ZerosLike(index), -1))
	a := FuseSum(slot, OnesLike(slot), remaining)
	a.pool = func(_ *Assignment, x *Node) *Node { return Slice(x, AxisRange(), AxisRange(0, remaining)) }
	return a
}
