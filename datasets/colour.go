package datasets

// Operations on colour, the same to the bit as those of Pillow's ImageOps and ImageEnhance.

// A mapping says which value of a plane becomes which, given how often each occurs.
type mapping func(counts *[256]int) [256]uint8

// mapped changes each plane by its own mapping, in place.
func (r raster) mapped(by mapping) raster {
	for _, plane := range r.planes {
		var counts [256]int
		for _, value := range plane {
			counts[value]++
		}
		table := by(&counts)
		for p, value := range plane {
			plane[p] = table[value]
		}
	}
	return r
}

// mappingOf returns the mapping of a function that does not depend on the counts.
func mappingOf(f func(value int) int) mapping {
	return func(*[256]int) (table [256]uint8) {
		for value := range table {
			table[value] = uint8(max(0, min(255, f(value))))
		}
		return table
	}
}

// posterize keeps so many bits.
func posterize(bits int) mapping { return mappingOf(func(v int) int { return v &^ (1<<(8-bits) - 1) }) }

// solarize inverts what is not below the threshold.
func solarize(threshold int) mapping {
	return mappingOf(func(v int) int {
		if v < threshold {
			return v
		}
		return 255 - v
	})
}

// solarizeAdd brightens the darker half.
func solarizeAdd(add int) mapping {
	return mappingOf(func(v int) int {
		if v < 128 {
			return v + add
		}
		return v
	})
}

// autoContrast stretches what occurs over the whole range.
func autoContrast(counts *[256]int) [256]uint8 {
	low, high := 0, 255
	for low < 255 && counts[low] == 0 {
		low++
	}
	for high > 0 && counts[high] == 0 {
		high--
	}
	if high <= low {
		return mappingOf(func(v int) int { return v })(counts)
	}
	scale := 255 / float64(high-low)
	offset := float64(float64(-low) * scale)
	return mappingOf(func(v int) int { return int(float64(float64(v)*scale) + offset) })(counts)
}

// equalize makes all values occur about as often.
func equalize(counts *[256]int) [256]uint8 {
	total, last, different := 0, 0, 0
	for _, count := range counts {
		if count > 0 {
			total, last, different = total+count, count, different+1
		}
	}
	step := (total - last) / 255
	if different <= 1 || step == 0 {
		return mappingOf(func(v int) int { return v })(counts)
	}
	below := step / 2
	return mappingOf(func(v int) int {
		level := below / step
		below += counts[v]
		return level
	})(counts)
}

// enhance moves the image away from a degenerate one, by a factor of 1 to itself, in place.
func (r raster) enhance(degenerate raster, factor float64) raster {
	// Pillow blends in single precision, and cuts off.
	alpha := float32(factor)
	if alpha == 1 {
		return r
	}
	for c, plane := range r.planes {
		for p, from := range degenerate.planes[c] {
			value := float32(from) + float32(alpha*float32(int(plane[p])-int(from)))
			plane[p] = uint8(min(max(value, 0), 255))
		}
	}
	return r
}

// greyed returns the image without colour.
func (r raster) greyed() raster {
	to := newEmptyRaster(len(r.planes), r.height, r.width)
	for p := range r.height * r.width {
		grey := r.grey(p)
		for _, plane := range to.planes {
			plane[p] = grey
		}
	}
	return to
}

// grey returns the luma of a pixel.
func (r raster) grey(p int) uint8 {
	if len(r.planes) < 3 {
		return r.planes[0][p]
	}
	return luma(r.planes[0][p], r.planes[1][p], r.planes[2][p])
}

// levelled returns an image of the mean luma.
func (r raster) levelled() raster {
	sum, area := 0, r.height*r.width
	for p := range area {
		sum += int(r.grey(p))
	}
	mean := uint8(float64(sum)/float64(max(1, area)) + 0.5)
	to := newEmptyRaster(len(r.planes), r.height, r.width)
	for _, plane := range to.planes {
		for p := range plane {
			plane[p] = mean
		}
	}
	return to
}

// smoothed returns the image under Pillow's filter SMOOTH: each pixel five times, its eight neighbours
// once; those at the border as they are.
func (r raster) smoothed() raster {
	to := r.cut(0, 0, r.height, r.width)
	for c, plane := range r.planes {
		for y := 1; y < r.height-1; y++ {
			for x := 1; x < r.width-1; x++ {
				p := y*r.width + x
				sum := 4 * int(plane[p])
				for _, row := range [...]int{p - r.width, p, p + r.width} {
					sum += int(plane[row-1]) + int(plane[row]) + int(plane[row+1])
				}
				to.planes[c][p] = uint8((2*sum + 13) / 26)
			}
		}
	}
	return to
}
