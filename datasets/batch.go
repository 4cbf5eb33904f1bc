package datasets

import (
	"iter"
	"math"
)

// Batch is a group of images, normalised, as a model takes them.
type Batch struct {
	Images []float32 // [N, channels, height, width]
	Labels []int32   // [N]
	N      int
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
	normalise := d.normaliser()
	for k, i := range indices {
		normalise(batch.Images[k*size:(k+1)*size], d.pixels(i))
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
		normalise, area := d.normaliser(), d.imageSize()
		for start := 0; start < d.Len(); start += size {
			end := min(start+size, d.Len())
			batch := Batch{
				Images: make([]float32, (end-start)*area),
				Labels: append([]int32(nil), d.Labels[start:end]...),
				N:      end - start,
			}
			normalise(batch.Images, d.Pixels[start*area:end*area])
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

// normaliser returns a function that normalises pixels [images, channels, height, width] into to.
func (d *Images) normaliser() func(to []float32, pixels []uint8) {
	// There are 256 values per channel, so the arithmetic is done once.
	tables := make([][256]float32, d.Channels)
	for c := range tables {
		for value := range tables[c] {
			tables[c][value] = (float32(value)/255 - d.Mean[c]) / d.Std[c]
		}
	}
	area := d.Height * d.Width
	return func(to []float32, pixels []uint8) {
		for start, c := 0, 0; start < len(pixels); start, c = start+area, (c+1)%len(tables) {
			table, plane := &tables[c], pixels[start:start+area]
			out := to[start : start+area]
			for p, value := range plane {
				out[p] = table[value]
			}
		}
	}
}
