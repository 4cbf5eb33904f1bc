package datasets

import (
	"context"
	"errors"
	"iter"
	"math"
)

// feed is a Source one image at a time, as assemble and Dataset want it.
type feed interface {
	Source
	frame() frame
	// raster returns image i in the frame's size, or, where it comes in another, whole. It is not to be
	// changed. errLeftOut stands for an image that is to be left out.
	raster(i int, whole bool) (raster, error)
}

// renewed is a feed whose images are others in each epoch of training.
type renewed interface{ inEpoch(epoch int) feed }

var errLeftOut = errors.New("left out")

// frame is what all images of a Source become.
type frame struct {
	height, width int
	fill          []uint8        // the mean colour, one of each channel
	tables        [][256]float32 // normalised values, one of each channel
}

func newFrame(height, width int, mean, std []float32) frame {
	f := frame{height: height, width: width, fill: make([]uint8, len(mean)), tables: make([][256]float32, len(mean))}
	for c := range f.tables {
		f.fill[c] = uint8(math.Round(255 * min(max(float64(mean[c]), 0), 1)))
		// There are 256 values per channel, so the arithmetic is done once.
		for value := range f.tables[c] {
			f.tables[c][value] = (float32(value)/255 - mean[c]) / std[c]
		}
	}
	return f
}

// size returns the number of values of an image.
func (f frame) size() int { return len(f.tables) * f.height * f.width }

// normalise writes an image into to, [channels, height, width].
func (f frame) normalise(to []float32, image raster) {
	for c, plane := range image.planes {
		table, out := &f.tables[c], to[c*len(plane):][:len(plane)]
		for p, value := range plane {
			out[p] = table[value]
		}
	}
}

// assemble makes a batch of the images at the given indices, in parallel: write puts image i of the
// source, whose raster it is given, into to, [channels, height, width].
func assemble(ctx context.Context, source feed, indices []int, whole bool, write func(to []float32, image raster, i int)) (Batch, error) {
	size := source.frame().size()
	batch := Batch{Images: make([]float32, len(indices)*size), Labels: make([]int32, len(indices))}
	leftOut := make([]bool, len(indices))
	err := inParallel(ctx, len(indices), func(k int) error {
		image, err := source.raster(indices[k], whole)
		if errors.Is(err, errLeftOut) {
			leftOut[k] = true
			return nil
		}
		if err == nil {
			write(batch.Images[k*size:(k+1)*size], image, indices[k])
		}
		return err
	})
	if err != nil {
		return Batch{}, err
	}
	for k, i := range indices {
		if leftOut[k] {
			continue
		}
		if batch.N < k {
			copy(batch.Images[batch.N*size:(batch.N+1)*size], batch.Images[k*size:])
		}
		batch.Labels[batch.N] = int32(source.Label(i))
		batch.N++
	}
	batch.Images, batch.Labels = batch.Images[:batch.N*size], batch.Labels[:batch.N]
	return batch, nil
}

// streamed is Stream of a source whose images are made when they are asked for. Where all of a batch is
// left out, so is the batch.
func streamed(ctx context.Context, source feed, size int) iter.Seq2[Batch, error] {
	if size < 1 {
		size = max(1, source.Len())
	}
	return func(yield func(Batch, error) bool) {
		frame := source.frame()
		steps := (source.Len() + size - 1) / size
		for batch, err := range ahead(ctx, steps, func(ctx context.Context, step int) (Batch, error) {
			indices := make([]int, min(size, source.Len()-step*size))
			for k := range indices {
				indices[k] = step*size + k
			}
			return assemble(ctx, source, indices, false, func(to []float32, image raster, _ int) { frame.normalise(to, image) })
		}) {
			if err == nil && batch.N == 0 {
				continue
			}
			if !yield(batch, err) {
				return
			}
		}
	}
}
