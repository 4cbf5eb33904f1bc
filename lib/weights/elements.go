package weights

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gomlx/gomlx/core/tensors"
)

// elements are the types of stored values by PyTorch's names, with their width in bytes; those
// without a read are known but not supported.
var elements = map[string]element{
	"float32": {4, read(4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) })},
	"float64": {8, read(8, func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) })},
	"float16": {2, read(2, func(b []byte) float32 { return half(binary.LittleEndian.Uint16(b)) })},
	"bfloat16": {2, read(2, func(b []byte) float32 {
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
	})},
	"int64":      {8, read(8, func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) })},
	"uint64":     {8, read(8, binary.LittleEndian.Uint64)},
	"int32":      {4, read(4, func(b []byte) int32 { return int32(binary.LittleEndian.Uint32(b)) })},
	"uint8":      {1, read(1, func(b []byte) uint8 { return b[0] })},
	"bool":       {1, read(1, func(b []byte) uint8 { return b[0] })},
	"int8":       {width: 1},
	"int16":      {width: 2},
	"uint16":     {width: 2},
	"uint32":     {width: 4},
	"complex64":  {width: 8},
	"complex128": {width: 16},
}

type element struct {
	width int
	read  func(raw []byte, dims []int) *tensors.Tensor
}

// tensorOf makes a tensor of values in row-major order.
func tensorOf(name string, raw []byte, dims []int) (*tensors.Tensor, error) {
	e := elements[name]
	if e.read == nil {
		return nil, fmt.Errorf("type %s is not supported: use float32, float16 or bfloat16", name)
	}
	return e.read(raw, dims), nil
}

func read[T float32 | int32 | int64 | uint64 | uint8](width int, one func([]byte) T) func([]byte, []int) *tensors.Tensor {
	return func(raw []byte, dims []int) *tensors.Tensor {
		data := make([]T, len(raw)/width)
		for i := range data {
			data[i] = one(raw[i*width:])
		}
		return tensors.FromFlatDataAndDimensions(data, dims...)
	}
}

// half widens an IEEE 754 binary16.
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch exponent {
	case 0:
		return math.Float32frombits(sign) + float32(fraction)*float32(math.Pow(2, -24))*signOf(sign)
	case 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

func signOf(bit uint32) float32 {
	if bit != 0 {
		return -1
	}
	return 1
}
