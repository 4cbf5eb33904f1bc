package datasets

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/train"
)

// Order says in what batches and in which order a Dataset gives out its images.
type Order struct {
	BatchSize     int    // images in a batch, 1 or more
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

// Dataset feeds a Source to GoMLX's trainer: inputs float32 `[batch, channels, height, width]`,
// normalised, labels int32 `[batch, 1]`; of images that are mixed (Augmentation.Mix), the labels are
// targets float32 `[batch, classes]`, each summing to 1. What it gives at a step is a function of the
// images, the order and the step alone: a run resumed with Start sees what it would have seen
// uninterrupted. A batch is made by as many goroutines as may run at once, while the one before is in
// use. A picture that cannot be read is an error of the batch that it is in.
type Dataset struct {
	source feed
	about  About
	order  Order
	passes atomic.Int64 // iterations begun since the start
}

var (
	_ train.Dataset      = (*Dataset)(nil)
	_ train.HasShortName = (*Dataset)(nil)
)

// Dataset returns the images as a GoMLX dataset. An order that holds no batch, or is out of range,
// is an error.
func (d *Images) Dataset(order Order) (*Dataset, error) { return newDataset(d, order) }

// Dataset returns the pictures as a GoMLX dataset. An order that holds no batch, or is out of range,
// is an error.
func (p *Pictures) Dataset(order Order) (*Dataset, error) {
	if err := p.Input.Validate(); err != nil {
		return nil, err
	}
	return newDataset(p, order)
}

func newDataset(source feed, order Order) (*Dataset, error) {
	about := source.About()
	switch {
	case order.BatchSize < 1:
		return nil, fmt.Errorf("datasets: batch size \"%d\" is not positive: take 1 or more", order.BatchSize)
	case order.Start < 0:
		return nil, fmt.Errorf("datasets: step to start at \"%d\" is negative: take 0 or more", order.Start)
	case source.Len() == 0:
		return nil, fmt.Errorf("datasets: %s %s holds no images: take a larger part", about.Name, about.Split)
	case order.DropRemainder && order.BatchSize > source.Len():
		return nil, fmt.Errorf("datasets: batch size \"%d\" exceeds the %d images of %s %s: take a smaller one or keep the remainder",
			order.BatchSize, source.Len(), about.Name, about.Split)
	}
	if err := order.Augment.check(); err != nil {
		return nil, err
	}
	return &Dataset{source: source, about: about, order: order}, nil
}

// Tensor returns all images, normalised, as one tensor `[images, channels, height, width]`, float32.
func (d *Images) Tensor() *tensors.Tensor {
	all := Batch{Images: []float32{}}
	for all = range d.Batches(0) {
	}
	return tensors.FromFlatDataAndDimensions(all.Images, d.Len(), d.Channels, d.Height, d.Width)
}

// Name returns the dataset's name and split; it implements train.Dataset.
func (d *Dataset) Name() string { return d.about.Name + " " + string(d.about.Split) }

// ShortName returns the split; it implements train.HasShortName.
func (d *Dataset) ShortName() string { return string(d.about.Split) }

// StepsPerEpoch returns the number of batches of an epoch.
func (d *Dataset) StepsPerEpoch() int {
	if d.order.DropRemainder {
		return d.source.Len() / d.order.BatchSize
	}
	return (d.source.Len() + d.order.BatchSize - 1) / d.order.BatchSize
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
func (d *Dataset) epoch(epoch, first int, yield func(train.Batch, error) bool) bool {
	indices, source := d.Indices(epoch), d.source
	if renewed, ok := source.(renewed); ok {
		source = renewed.inEpoch(epoch)
	}
	for made, err := range ahead(context.Background(), d.StepsPerEpoch()-first, func(ctx context.Context, k int) (mixture, error) {
		start := (first + k) * d.order.BatchSize
		return d.batch(ctx, source, epoch, first+k, indices[start:min(start+d.order.BatchSize, len(indices))])
	}) {
		if err != nil {
			yield(train.Batch{}, err)
			return false
		}
		if made.N > 0 && !yield(d.tensors(made), nil) {
			return false
		}
	}
	return true
}

// Indices returns the order in which an epoch, counted from 0, goes through the images.
func (d *Dataset) Indices(epoch int) []int {
	n := d.source.Len()
	if d.order.Shuffle {
		return permutation(n, newStream(d.order.Seed, purposeEpoch, uint64(epoch)))
	}
	indices := make([]int, n)
	for i := range indices {
		indices[i] = i
	}
	return indices
}

// batch returns the images of the source at the given indices as an epoch alters them.
func (d *Dataset) batch(ctx context.Context, source feed, epoch, step int, indices []int) (mixture, error) {
	a, seed, frame := d.order.Augment, d.order.Seed, source.frame()
	batch, err := assemble(ctx, source, indices, a.ResizedCrop.on(), func(to []float32, image raster, i int) {
		if a.ofImage() == (Augmentation{}) {
			frame.normalise(to, image)
			return
		}
		random := newStream(seed, purposeAugment, uint64(epoch), uint64(i))
		frame.normalise(to, a.apply(image, frame, random))
		a.eraseNoise(to, frame, random)
	})
	if err != nil || !a.Mix.on() {
		return mixture{Batch: batch}, err
	}
	return a.Mix.apply(batch, d.about, newStream(seed, purposeMix, uint64(epoch), uint64(step))), nil
}

// tensors returns a batch as the trainer takes it.
func (d *Dataset) tensors(m mixture) train.Batch {
	labels := tensors.FromFlatDataAndDimensions(m.Labels, m.N, 1)
	if m.targets != nil {
		labels = tensors.FromFlatDataAndDimensions(m.targets, m.N, len(d.about.Classes))
	}
	return train.Batch{
		Inputs: []*tensors.Tensor{tensors.FromFlatDataAndDimensions(m.Images, m.N, d.about.Channels, d.about.Height, d.about.Width)},
		Labels: []*tensors.Tensor{labels},
	}
}
