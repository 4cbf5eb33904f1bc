package datasets

import (
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/train"
)

// Order says in what batches and in which order a Dataset gives out its images.
type Order struct {
	BatchSize     int
	Shuffle       bool   // a new order each epoch, else the images' own
	Seed          uint64 // of shuffling and augmentation
	DropRemainder bool   // leave out the last batch of an epoch if it is smaller
	Augment       Augmentation

	// Endless makes one iteration go on through epoch after epoch, as train.Loop.RunSteps wants it;
	// else an iteration is one epoch, as train.Loop.RunEpochs and evaluation want it.
	Endless bool
	// Start is the step, counted in batches from the beginning of epoch 0, to begin at: that of the
	// checkpoint from which a run resumes.
	Start int
}

// Dataset feeds Images to GoMLX's trainer: inputs float32 `[batch, channels, height, width]`,
// normalised, labels int32 `[batch, 1]`. What it gives at a step is a function of the images, the
// order and the step alone: a run resumed with Start sees what it would have seen uninterrupted.
type Dataset struct {
	images *Images
	order  Order
	passes atomic.Int64 // iterations begun since the start
}

var (
	_ train.Dataset      = (*Dataset)(nil)
	_ train.HasShortName = (*Dataset)(nil)
)

// Dataset returns the images as a GoMLX dataset. An order that holds no batch, or is out of range,
// is an error.
func (d *Images) Dataset(order Order) (*Dataset, error) {
	switch {
	case order.BatchSize < 1:
		return nil, fmt.Errorf("datasets: batch size \"%d\" is not positive: take 1 or more", order.BatchSize)
	case order.Start < 0:
		return nil, fmt.Errorf("datasets: step to start at \"%d\" is negative: take 0 or more", order.Start)
	case d.Len() == 0:
		return nil, fmt.Errorf("datasets: %s %s holds no images: take a larger part", d.Name, d.Split)
	case order.DropRemainder && order.BatchSize > d.Len():
		return nil, fmt.Errorf("datasets: batch size \"%d\" exceeds the %d images of %s %s: take a smaller one or keep the remainder",
			order.BatchSize, d.Len(), d.Name, d.Split)
	}
	if err := order.Augment.check(); err != nil {
		return nil, err
	}
	return &Dataset{images: d, order: order}, nil
}

// Tensor returns all images, normalised, as one tensor `[images, channels, height, width]`, float32.
func (d *Images) Tensor() *tensors.Tensor {
	pixels := make([]float32, len(d.Pixels))
	d.normaliser()(pixels, d.Pixels)
	return tensors.FromFlatDataAndDimensions(pixels, d.Len(), d.Channels, d.Height, d.Width)
}

// Name returns the dataset's name and split; it implements train.Dataset.
func (d *Dataset) Name() string { return d.images.Name + " " + string(d.images.Split) }

// ShortName returns the split; it implements train.HasShortName.
func (d *Dataset) ShortName() string { return string(d.images.Split) }

// StepsPerEpoch returns the number of batches of an epoch.
func (d *Dataset) StepsPerEpoch() int {
	if d.order.DropRemainder {
		return d.images.Len() / d.order.BatchSize
	}
	return (d.images.Len() + d.order.BatchSize - 1) / d.order.BatchSize
}

// Iter yields batches; it implements train.Dataset. An endless dataset begins at Start each time.
// Otherwise the first iteration yields what Start leaves of its epoch, and each further one the
// epoch after, as train.Loop.RunEpochs calls it.
func (d *Dataset) Iter() iter.Seq2[train.Batch, error] {
	return func(yield func(train.Batch, error) bool) {
		epoch, step := d.order.Start/d.StepsPerEpoch(), d.order.Start%d.StepsPerEpoch()
		if !d.order.Endless {
			if pass := int(d.passes.Add(1)) - 1; pass > 0 {
				epoch, step = epoch+pass, 0
			}
		}
		for more := true; more; epoch, step = epoch+1, 0 {
			more = d.epoch(epoch, step, yield) && d.order.Endless
		}
	}
}

// Reset makes the next iteration the first again.
func (d *Dataset) Reset() { d.passes.Store(0) }

// epoch yields the batches of an epoch from a step on, and reports whether more are wanted.
func (d *Dataset) epoch(epoch, step int, yield func(train.Batch, error) bool) bool {
	indices := d.Indices(epoch)
	normalise := d.images.normaliser()
	scratch := make([]uint8, d.images.imageSize())
	for ; step < d.StepsPerEpoch(); step++ {
		start := step * d.order.BatchSize
		end := min(start+d.order.BatchSize, len(indices))
		if !yield(d.batch(epoch, indices[start:end], normalise, scratch), nil) {
			return false
		}
	}
	return true
}

// Indices returns the order in which an epoch, counted from 0, goes through the images.
func (d *Dataset) Indices(epoch int) []int {
	n := d.images.Len()
	if d.order.Shuffle {
		return permutation(n, newStream(d.order.Seed, purposeEpoch, uint64(epoch)))
	}
	indices := make([]int, n)
	for i := range indices {
		indices[i] = i
	}
	return indices
}

// batch returns the images at the given indices as an epoch alters them; scratch holds one image.
func (d *Dataset) batch(epoch int, indices []int, normalise func([]float32, []uint8), scratch []uint8) train.Batch {
	size, order := d.images.imageSize(), d.order
	inputs := make([]float32, len(indices)*size)
	labels := make([]int32, len(indices))
	for k, i := range indices {
		image := d.images.pixels(i)
		if order.Augment != (Augmentation{}) {
			random := newStream(order.Seed, purposeAugment, uint64(epoch), uint64(i))
			order.Augment.apply(scratch, image, d.images.Height, d.images.Width, random)
			image = scratch
		}
		normalise(inputs[k*size:(k+1)*size], image)
		labels[k] = d.images.Labels[i]
	}
	return train.Batch{
		Inputs: []*tensors.Tensor{tensors.FromFlatDataAndDimensions(inputs,
			len(indices), d.images.Channels, d.images.Height, d.images.Width)},
		Labels: []*tensors.Tensor{tensors.FromFlatDataAndDimensions(labels, len(indices), 1)},
	}
}
