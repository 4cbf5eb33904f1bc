package vit

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// window is a square that slides over a map.
type window struct{ kernel, stride, padding int }

// unfold lists what lies in the window at each of its places, in reading order:
// maps [batch, channels, height, width] -> [batch, places, channels*kernel*kernel], PyTorch's Unfold
// with its axes swapped. Sides must be multiples of the stride, which is that of the places.
//
// An axis is cut into blocks of the stride, and each place takes as many blocks as the window reaches
// into: few contiguous slices instead of kernel*kernel strided ones, which XLA takes seconds to
// compile. Where the kernel is the stride nothing is copied but by the transposition.
func unfold(maps *Node, w window) *Node {
	d := maps.Shape().Dimensions
	rows, cols := d[2]/w.stride, d[3]/w.stride
	blocks := (w.kernel + w.stride - 1) / w.stride // that a window reaches into
	if blocks > 1 || w.padding > 0 {
		border := PadAxis{Start: w.padding, End: (blocks-1)*w.stride - w.padding}
		maps = Pad(maps, ScalarZero(maps.Graph(), maps.DType()), PadAxis{}, PadAxis{}, border, border)
	}
	x := Reshape(maps, d[0], d[1], rows+blocks-1, w.stride, cols+blocks-1, w.stride)
	x = gatherBlocks(x, 2, rows, w.kernel)
	x = gatherBlocks(x, 4, cols, w.kernel) // [batch, channels, rows, kernel, cols, kernel]
	return Reshape(TransposeAllAxes(x, 0, 2, 4, 1, 3, 5), d[0], rows*cols, d[1]*w.kernel*w.kernel)
}

// gatherBlocks gives each place of an axis the blocks from its own on: [..., blocks, stride, ...] ->
// [..., places, kernel, ...].
func gatherBlocks(x *Node, axis, places, kernel int) *Node {
	reach := x.Shape().Dimensions[axis] - places + 1
	if reach == 1 {
		return x
	}
	var shifted []*Node
	for shift := range reach {
		shifted = append(shifted, SliceAxis(x, axis, AxisRange(shift, shift+places)))
	}
	return SliceAxis(Concatenate(shifted, axis+1), axis+1, AxisRange(0, kernel))
}
