package vit

import (
	"errors"
	"runtime"
	"slices"
	"sync"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
)

// inParts is the graph of logits and counts of images, which GoMLX's backend in Go gets as several parts of the
// batch at once: its softmax, norms, sums and transpositions run on one processor each, and the others take the
// products of another part meanwhile. DeiT-S, batch 16: 2.54 s as one, 1.97 in two parts; MCTF 1.84 and 1.31 (2 cores of
// an AMD EPYC, GOEXPERIMENT=simd). XLA does so by itself.
func (c *Classifier) inParts(images *tensors.Tensor) ([]*tensors.Tensor, error) {
	dims := images.Shape().Dimensions
	n := min(dims[0], runtime.GOMAXPROCS(0))
	if n == 1 || accel.Name(c.backend) != "Go" {
		return c.logits.Call(images)
	}
	pixels := tensors.MustCopyFlatData[float32](images)
	each := len(pixels) / dims[0]
	parts, errs := make([][]*tensors.Tensor, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		from, to := i*dims[0]/n, (i+1)*dims[0]/n
		all.Go(func() {
			part := tensors.FromFlatDataAndDimensions(pixels[from*each:to*each], slices.Concat([]int{to - from}, dims[1:])...)
			parts[i], errs[i] = c.logits.Call(part)
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return []*tensors.Tensor{joined(parts, 0), joined(parts, 1)}, nil
}

// joined is one of the outputs [some of the batch, n] of each part, as that of the whole batch.
func joined(parts [][]*tensors.Tensor, output int) *tensors.Tensor {
	var rows []float32
	for _, part := range parts {
		rows = append(rows, tensors.MustCopyFlatData[float32](part[output])...)
	}
	n := parts[0][output].Shape().Dimensions[1]
	return tensors.FromFlatDataAndDimensions(rows, len(rows)/n, n)
}
