package datasets

import "fmt"

// minShapeSize is the size below which the shapes cannot be told apart.
const minShapeSize = 8

// Shapes returns n generated pictures of size x size pixels in 3 channels: a disc, square, triangle or
// cross in a bright colour, somewhere on a dark one, with a little noise. Image i is of class i modulo
// 4, so that each part has all classes, and depends on (seed, i, size) alone, the same on every machine:
// data for tests and documentation that needs no files. A size below 8 or a negative n is an error.
func Shapes(n, size int, seed uint64) (*Images, error) {
	switch {
	case n < 0:
		return nil, fmt.Errorf("datasets: number of shapes \"%d\" is negative: take 0 or more", n)
	case size < minShapeSize:
		return nil, fmt.Errorf("datasets: size of shapes \"%d\" is too small: take %d or more pixels", size, minShapeSize)
	}
	const mostBytes = 1 << 34
	if float64(n)*3*float64(size)*float64(size) > mostBytes {
		return nil, fmt.Errorf("datasets: \"%d\" shapes of \"%d\" pixels on a side are over %d GiB: take fewer", n, size, mostBytes>>30)
	}
	data := &Images{
		Name: "shapes", Split: Train,
		Classes: []string{"disc", "square", "triangle", "cross"},
		Height:  size, Width: size, Channels: 3,
		Pixels: make([]uint8, n*3*size*size),
		Labels: make([]int32, n),
		Mean:   []float32{0.5, 0.5, 0.5}, Std: []float32{0.5, 0.5, 0.5},
	}
	for i := range n {
		data.Labels[i] = int32(i % len(data.Classes))
		drawShape(data.pixels(i), size, i%len(data.Classes), newStream(seed, purposeShapes, uint64(i)))
	}
	return data, nil
}

// drawShape draws a shape of the class into planes [3, size, size], in whole numbers throughout.
func drawShape(planes []uint8, size, class int, random *stream) {
	var ground, colour [3]int
	for c := range 3 {
		ground[c], colour[c] = random.between(0, 80), random.between(110, 239)
	}
	// One channel is bright for certain, so that the shape stands out whatever the draw.
	colour[random.below(3)] = 239
	radius := random.between(max(3, size/6), max(3, size/3))
	cx, cy := random.between(radius, size-1-radius), random.between(radius, size-1-radius)
	for p := range size * size {
		at := ground
		if insideShape(class, p%size-cx, p/size-cy, radius) {
			at = colour
		}
		for c := range 3 {
			planes[c*size*size+p] = uint8(at[c] + random.between(0, 16))
		}
	}
}

// insideShape reports whether (x, y), counted from the shape's centre with y downwards, is in it.
func insideShape(class, x, y, radius int) bool {
	width, height := max(x, -x), max(y, -y)
	if width > radius || height > radius {
		return false
	}
	switch class {
	case 0: // disc
		return x*x+y*y <= radius*(radius+1)
	case 1: // square
		return true
	case 2: // triangle, apex up
		return 2*width <= y+radius
	default: // cross
		return 3*min(width, height) <= radius
	}
}
