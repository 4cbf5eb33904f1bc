package datasets

import (
	"fmt"
	"math"
)

// Augmentation alters training images at random, each in its own way in each epoch. The zero value
// alters nothing.
type Augmentation struct {
	// Crop pads an image with this many black pixels on each side and cuts its size out of that at
	// a random place: a shift by up to Crop pixels.
	Crop int
	// Flip mirrors an image left to right, every other time.
	Flip bool
	// Erase is the probability with which a random rectangle, 2 to 33 percent of the image with a
	// ratio of its sides of 0.3 to 3.3, is filled with random pixels (Random Erasing, arXiv 1708.04896).
	Erase float64
}

func (a Augmentation) check() error {
	if a.Crop < 0 {
		return fmt.Errorf("datasets: crop \"%d\" is negative: take 0 or more pixels of padding", a.Crop)
	}
	if !(a.Erase >= 0 && a.Erase <= 1) {
		return fmt.Errorf("datasets: erase \"%v\" is no probability: take 0 to 1", a.Erase)
	}
	return nil
}

// apply writes the altered image into to; both are [channels, height, width] and do not overlap.
func (a Augmentation) apply(to, image []uint8, height, width int, random *stream) {
	down, right := random.between(-a.Crop, a.Crop), random.between(-a.Crop, a.Crop)
	mirror := a.Flip && random.below(2) == 1
	area := height * width
	clear(to)
	for start := 0; start < len(image); start += area {
		shift(to[start:start+area], image[start:start+area], width, down, right)
	}
	if mirror {
		for row := to; len(row) > 0; row = row[width:] {
			for left, right := 0, width-1; left < right; left, right = left+1, right-1 {
				row[left], row[right] = row[right], row[left]
			}
		}
	}
	if random.unit() < a.Erase {
		erase(to, height, width, random)
	}
}

// shift copies a plane into to, moved down and to the right; what is moved in is left as it is in to.
func shift(to, plane []uint8, width, down, right int) {
	height := len(plane) / width
	from, until := max(0, right), min(width, width+right)
	if from >= until {
		return
	}
	for y := max(0, down); y < min(height, height+down); y++ {
		row := plane[(y-down)*width : (y-down+1)*width]
		copy(to[y*width+from:y*width+until], row[from-right:])
	}
}

// erase fills a rectangle, the same in all channels, with random pixels.
func erase(planes []uint8, height, width int, random *stream) {
	area := height * width
	// A rectangle drawn may not fit: then another one, and after ten none at all.
	for range 10 {
		// In whole percents and tenths: no rounding that differs between processors.
		part, ratio := area*random.between(2, 33), random.between(10, 33)
		h, w := root(part*ratio, 1000), root(part*10, 100*ratio)
		if random.below(2) == 1 {
			h, w = w, h
		}
		if h < 1 || w < 1 || h > height || w > width {
			continue
		}
		top, left := random.between(0, height-h), random.between(0, width-w)
		for start := 0; start < len(planes); start += area {
			for y := top; y < top+h; y++ {
				for x := left; x < left+w; x++ {
					planes[start+y*width+x] = uint8(random.below(256))
				}
			}
		}
		return
	}
}

// root returns the square root of a/b, rounded.
func root(a, b int) int { return int(math.Round(math.Sqrt(float64(a) / float64(b)))) }
