package datasets

import (
	"image"
	"math"
)

// Filter is how Resize weighs the pixels around a place.
type Filter int

// The filters, those of Pillow of the same names.
const (
	Bicubic  Filter = iota // cubic convolution, a = -0.5
	Bilinear               // a triangle
)

// Resize returns a picture in another size, the same to the last bit as Image.resize of Pillow 12
// gives of the picture in mode L (for *image.Gray and *image.Gray16) or RGB. Downwards the filter
// widens with the ratio, so that every pixel counts. Alpha is dropped, not blended. A size below 1
// gives an empty picture.
//
// Pillow 13 rounds in another order where it shrinks the height more than the width, as of most
// upright photos, and is a few levels away there; published models were evaluated with older ones.
func Resize(picture image.Image, height, width int, filter Filter) image.Image {
	flat := flatten(picture)
	channels := 3
	if _, grey := flat.(*image.Gray); grey {
		channels = 1
	}
	height, width = max(height, 0), max(width, 0)
	from := newRaster(flat, channels)
	return from.resample(span{size: height, to: height}, span{size: width, to: width}, filter).image()
}

// A span is the part from..to-1 of an axis of the given size.
type span struct{ size, from, to int }

func (s span) len() int { return s.to - s.from }

// resample returns the given rows and columns of the raster resized to rows.size x columns.size.
// As in Pillow, rows are filtered first, and rounded to 8 bits between the two passes; an axis that
// keeps its size is not filtered.
func (r raster) resample(rows, columns span, filter Filter) raster {
	if r.height == 0 || r.width == 0 {
		return newEmptyRaster(len(r.planes), rows.len(), columns.len())
	}
	across, down := windows(r.width, columns, filter), windows(r.height, rows, filter)
	to := newEmptyRaster(len(r.planes), rows.len(), columns.len())
	if len(across) == 0 || len(down) == 0 {
		return to
	}
	// Rows that no window of the second pass needs are left out of the first.
	first, end := down[0].first, 0
	for _, window := range down {
		end = max(end, window.first+len(window.weights))
	}
	between := make([]uint8, (end-first)*to.width)
	sums := make([]int32, to.width)
	for c, plane := range r.planes {
		for y := range end - first {
			row := plane[(first+y)*r.width:][:r.width]
			filterRow(between[y*to.width:][:to.width], row, across)
		}
		for y, window := range down {
			filterColumns(to.planes[c][y*to.width:][:to.width], between[(window.first-first)*to.width:], window, sums)
		}
	}
	return to
}

// weightBits is how many bits weights have after the point: 32, less 8 of a pixel, and 2 for sums
// that overshoot.
const weightBits = 32 - 8 - 2

// A window holds the weights, in units of 1<<-weightBits, of the pixels from first on.
type window struct {
	first   int
	weights []int32
}

// windows returns, for each place of a span, which of size pixels it is made of.
func windows(size int, to span, filter Filter) []window {
	all := make([]window, to.len())
	if len(all) == 0 {
		return all
	}
	if size == to.size {
		for i := range all {
			all[i] = window{first: to.from + i, weights: []int32{1 << weightBits}}
		}
		return all
	}
	kernel, radius := filter.kernel()
	ratio := float64(size) / float64(to.size)
	stretch := max(ratio, 1)
	radius *= stretch
	shrink := 1 / stretch
	values := make([]float64, 0, 2*int(math.Ceil(radius))+1)
	for i := range all {
		center := (float64(to.from+i) + 0.5) * ratio
		first := max(0, int(center-radius+0.5))
		end := min(size, int(center+radius+0.5))
		values = values[:0]
		total := 0.0
		for x := first; x < end; x++ {
			value := kernel(float64((float64(x) - center + 0.5) * shrink))
			values = append(values, value)
			total += value
		}
		weights := make([]int32, len(values))
		for k, value := range values {
			if total != 0 {
				value /= total
			}
			weights[k] = int32(math.Round(value * (1 << weightBits)))
		}
		all[i] = window{first: first, weights: weights}
	}
	return all
}

// kernel returns the weight of a pixel at a distance, and the distance from which on it is 0.
func (f Filter) kernel() (weight func(float64) float64, radius float64) {
	if f == Bilinear {
		return func(x float64) float64 { return max(0, 1-math.Abs(x)) }, 1
	}
	return func(x float64) float64 {
		const a = -0.5
		x = math.Abs(x)
		// Conversions to float64 round: otherwise some machines fuse products and sums, and differ.
		switch {
		case x < 1:
			return float64((float64((a+2)*x)-(a+3))*x*x) + 1
		case x < 2:
			return (float64((float64((x-5)*x)+8)*x) - 4) * a
		}
		return 0
	}, 2
}

func filterRow(to, from []uint8, windows []window) {
	for x, window := range windows {
		sum := int32(1 << (weightBits - 1))
		pixels := from[window.first:][:len(window.weights)]
		for k, weight := range window.weights {
			sum += int32(pixels[k]) * weight
		}
		to[x] = clip(sum >> weightBits)
	}
}

// filterColumns sums as many rows as the window has weights; sums is scratch space of a row's width.
func filterColumns(to, rows []uint8, window window, sums []int32) {
	for x := range sums {
		sums[x] = 1 << (weightBits - 1)
	}
	for k, weight := range window.weights {
		row := rows[k*len(to):][:len(to)]
		for x, pixel := range row {
			sums[x] += int32(pixel) * weight
		}
	}
	for x, sum := range sums {
		to[x] = clip(sum >> weightBits)
	}
}
