package datasets

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Augmentation alters training images at random, each in its own way in each epoch. The zero value
// alters nothing; DeiTAugmentation is what vision transformers are commonly trained with on ImageNet. In order:
// ResizedCrop, Crop, Flip, RandAugment, Erase, then, on normalised values, EraseNoise and Mix. All of
// it depends on (seed, epoch, index) alone, that of Mix on (seed, epoch, step).
type Augmentation struct {
	// ResizedCrop cuts a random part out and resizes it to the images' size.
	ResizedCrop ResizedCrop
	// Crop pads an image with this many black pixels on each side and cuts its size out of that at
	// a random place: a shift by up to Crop pixels.
	Crop int
	// Flip mirrors an image left to right, every other time.
	Flip bool
	// RandAugment applies random operations on colour and geometry.
	RandAugment RandAugment
	// Erase is the probability with which a random rectangle, 2 to 33 percent of the image with a
	// ratio of its sides of 0.3 to 3.3, is filled with random pixels (Random Erasing, arXiv 1708.04896).
	Erase float64
	// EraseNoise is the probability of Random Erasing as timm does it in its "pixel" mode, with which
	// DeiT is trained at 0.25: the rectangle, 2 to 33.3 percent of the image, the logarithm of its ratio
	// even between those of 0.3 and 1/0.3, is filled with normal noise, of the normalised image.
	EraseNoise float64
	// Mix mixes each image of a batch with another one, and their labels.
	Mix Mix
}

// DeiTAugmentation returns the augmentation of DeiT (arXiv 2012.12877, table 9; timm's rand-m9-mstd0.5-inc1): random
// resized crop, flip, RandAugment 9/0.5, erasing 0.25, mixup 0.8, cutmix 1.0. (DeiT's repeated
// augmentation is one of the order in which images come, and not part of this.)
func DeiTAugmentation() Augmentation {
	return Augmentation{
		ResizedCrop: InceptionCrop(), Flip: true, RandAugment: RandAugment{Operations: 2, Magnitude: 9, Deviation: 0.5},
		EraseNoise: 0.25, Mix: Mix{Mixup: 0.8, CutMix: 1.0},
	}
}

func (a Augmentation) check() error {
	if a.Crop < 0 {
		return fmt.Errorf("datasets: crop \"%d\" is negative: take 0 or more pixels of padding", a.Crop)
	}
	if !(a.Erase >= 0 && a.Erase <= 1) {
		return fmt.Errorf("datasets: erase \"%v\" is no probability: take 0 to 1", a.Erase)
	}
	if !(a.EraseNoise >= 0 && a.EraseNoise <= 1) {
		return fmt.Errorf("datasets: erase with noise \"%v\" is no probability: take 0 to 1", a.EraseNoise)
	}
	return cmp.Or(a.ResizedCrop.check(), a.RandAugment.check(), a.Mix.check())
}

// ofImage returns what alters an image by itself.
func (a Augmentation) ofImage() Augmentation {
	a.Mix = Mix{}
	return a
}

// apply returns the altered image, before it is normalised, in the frame's size. The image has that
// size, or, for ResizedCrop, any; it is not changed.
func (a Augmentation) apply(image raster, frame frame, random *stream) raster {
	if a.ResizedCrop.on() {
		image = a.ResizedCrop.apply(image, frame.height, frame.width, random)
	}
	down, right := random.between(-a.Crop, a.Crop), random.between(-a.Crop, a.Crop)
	mirror := a.Flip && random.below(2) == 1
	to := newEmptyRaster(len(image.planes), frame.height, frame.width)
	for c, plane := range image.planes {
		shift(to.planes[c], plane, frame.width, down, right)
		if mirror {
			for row := range slices.Chunk(to.planes[c], frame.width) {
				slices.Reverse(row)
			}
		}
	}
	to = a.RandAugment.apply(to, frame.fill, random)
	if random.unit() < a.Erase {
		erase(to, random)
	}
	return to
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
func erase(image raster, random *stream) {
	height, width := image.height, image.width
	// A rectangle drawn may not fit: then another one, and after ten none at all.
	for range 10 {
		// In whole percents and tenths: no rounding that differs between processors.
		part, ratio := height*width*random.between(2, 33), random.between(10, 33)
		h, w := root(part*ratio, 1000), root(part*10, 100*ratio)
		if random.below(2) == 1 {
			h, w = w, h
		}
		if h < 1 || w < 1 || h > height || w > width {
			continue
		}
		top, left := random.between(0, height-h), random.between(0, width-w)
		for _, plane := range image.planes {
			for y := top; y < top+h; y++ {
				for x := left; x < left+w; x++ {
					plane[y*width+x] = uint8(random.below(256))
				}
			}
		}
		return
	}
}

// eraseNoise fills a rectangle of a normalised image, [channels, height, width], with normal noise.
func (a Augmentation) eraseNoise(image []float32, frame frame, random *stream) {
	if a.EraseNoise == 0 || random.unit() >= a.EraseNoise {
		return
	}
	height, width := frame.height, frame.width
	for range 10 {
		area, ratio := float64(height*width)*random.uniform(0.02, 1.0/3), random.logUniform(0.3, 1/0.3)
		h, w := int(math.RoundToEven(math.Sqrt(area*ratio))), int(math.RoundToEven(math.Sqrt(area/ratio)))
		if h >= height || w >= width {
			continue
		}
		top, left := random.between(0, height-h), random.between(0, width-w)
		for c := range frame.tables {
			for y := top; y < top+h; y++ {
				row := image[(c*height+y)*width:][left : left+w]
				for x := range row {
					row[x] = float32(random.normal())
				}
			}
		}
		return
	}
}

// root returns the square root of a/b, rounded.
func root(a, b int) int { return int(math.Round(math.Sqrt(float64(a) / float64(b)))) }
