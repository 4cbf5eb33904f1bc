package weights

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/gomlx/gomlx/core/tensors"
)

// view is a tensor: elements of a storage from an offset on, a stride apart in each dimension.
type view struct {
	storage       *storage
	element       string
	offset        int64 // in elements, as the strides
	dims, strides []int64
}

// tensor copies the view's elements, as long as the budget of bytes lasts.
func (v *view) tensor(budget *int64, bytesOf func(*storage) ([]byte, error)) (*tensors.Tensor, error) {
	e := elements[v.element]
	if e.read == nil {
		return tensorOf(v.element, nil, nil)
	}
	raw, err := bytesOf(v.storage)
	if err != nil {
		return nil, err
	}
	if have := int64(len(raw)) / int64(elements[v.storage.element].width); v.storage.count > have {
		return nil, fmt.Errorf("its storage claims %d elements, but has %d: the file is damaged", v.storage.count, have)
	}
	n, ok := v.size()
	if !ok {
		return nil, fmt.Errorf("size %v with strides %v from %d on reaches beyond its storage of %d", v.dims, v.strides, v.offset, v.storage.count)
	}
	cost := int64(max(e.width, 4))
	if n > *budget/cost {
		return nil, errors.New("the tensors are many times larger than the file: save it with contiguous tensors")
	}
	*budget -= n * cost
	dims := make([]int, len(v.dims))
	for i, d := range v.dims {
		dims[i] = int(d)
	}
	return tensorOf(v.element, v.gather(raw, n), dims)
}

// size is the number of the view's elements, and whether they all lie within the storage.
func (v *view) size() (n int64, ok bool) {
	unit := int64(elements[v.element].width)
	have := v.storage.count * int64(elements[v.storage.element].width) // the file holds as many: no overflow
	n = 1
	last := v.offset
	within := true
	for i, d := range v.dims {
		if d == 0 {
			return 0, true
		}
		n, within = times(n, d, within)
		var far int64
		far, within = times(d-1, v.strides[i], within)
		last += far
		within = within && last >= 0
	}
	begin, within := times(last, unit, within)
	return n, within && begin <= have-unit
}

// times multiplies numbers that are not negative, if the product is below 2^62 and ok.
func times(a, b int64, ok bool) (int64, bool) {
	high, low := bits.Mul64(uint64(a), uint64(b))
	return int64(low & (1<<62 - 1)), ok && high == 0 && low < 1<<62
}

// gather returns the bytes of the view's elements in row-major order, out of those of its storage;
// they may be a part of them.
func (v *view) gather(raw []byte, n int64) []byte {
	width := int64(elements[v.element].width)
	if n == 0 {
		return nil
	}
	if v.contiguous() {
		return raw[v.offset*width : (v.offset+n)*width]
	}
	out := make([]byte, 0, n*width)
	index := make([]int64, len(v.dims))
	at := v.offset * width
	for range n {
		out = append(out, raw[at:at+width]...)
		for i := len(index) - 1; i >= 0; i-- {
			index[i]++
			at += v.strides[i] * width
			if index[i] < v.dims[i] {
				break
			}
			at -= index[i] * v.strides[i] * width
			index[i] = 0
		}
	}
	return out
}

func (v *view) contiguous() bool {
	stride := int64(1)
	for i := len(v.dims) - 1; i >= 0; i-- {
		if v.dims[i] != 1 && v.strides[i] != stride {
			return false
		}
		stride *= v.dims[i]
	}
	return true
}
