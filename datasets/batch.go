package datasets

import (
	"iter"
	"math"
)

// Batch is a group of images, normalised, as a model takes them.
type Batch struct {
	Images []float32 // [N, channels, height, width]
	Labels []int32   // [N]
	N      int       // number of images
}

// Batch returns the images at the given indices, in that order, normalised with Mean and Std. An
// index outside 0..Len()-1 is an error.
func (d *Images) Batch(indices []int) (Batch, error) {
	if err := d.checkIndices(indices); err != nil {
		return Batch{}, err
	}
	size := d.imageSize()
	batch := Batch{
		Images: make([]float32, len(indices)*size),
		Labels: make([]int32, len(indices)),
		N:      len(indices),
	}
	frame := d.frame()
	for k, i := range indices {
		image, _ := d.raster(i, false)
		frame.normalise(batch.Images[k*size:(k+1)*size], image)
		batch.Labels[k] = d.Labels[i]
	}
	return batch, nil
}

// Batches yields all images in their order, normalised, size at a time; the last batch may be
// smaller. A size below 1 yields them all at once. Each batch has memory of its own.
func (d *Images) Batches(size int) iter.Seq[Batch] {
	if size < 1 {
		size = max(1, d.Len())
	}
	return func(yield func(Batch) bool) {
		frame, area := d.frame(), d.imageSize()
		for start := 0; start < d.Len(); start += size {
			end := min(start+size, d.Len())
			batch := Batch{
				Images: make([]float32, (end-start)*area),
				Labels: append([]int32(nil), d.Labels[start:end]...),
				N:      end - start,
			}
			for k := range batch.N {
				image, _ := d.raster(start+k, false)
				frame.normalise(batch.Images[k*area:(k+1)*area], image)
			}
			if !yield(batch) {
				return
			}
		}
	}
}

// Statistics returns mean and standard deviation of each channel over all images, of pixels scaled
// to [0, 1]: what Mean and Std of a training split should be. Without images they are NaN.
func (d *Images) Statistics() (mean, std []float64) {
	area := d.Height * d.Width
	for c := range d.Channels {
		var counts [256]uint64
		for i := range d.Len() {
			for _, pixel := range d.pixels(i)[c*area : (c+1)*area] {
				counts[pixel]++
			}
		}
		var n, sum, squares uint64
		for value, count := range counts {
			n += count
			sum += count * uint64(value)
			squares += count * uint64(value*value)
		}
		m := float64(sum) / float64(n)
		mean = append(mean, m/255)
		std = append(std, math.Sqrt(float64(squares)/float64(n)-m*m)/255)
	}
	return mean, std
}
