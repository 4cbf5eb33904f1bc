package datasets

import (
	"fmt"
	"math"
)

// ResizedCrop cuts a random part out of an image and resizes it, with the bicubic filter, to the size
// that is wanted, as RandomResizedCrop of torchvision and RandomResizedCropAndInterpolation of timm do
// (Going deeper with convolutions, arXiv 1409.4842, section 6). The zero value does nothing.
type ResizedCrop struct {
	// MinScale and MaxScale bound the part's share of the area.
	MinScale, MaxScale float64
	// MinRatio and MaxRatio bound its width over its height.
	MinRatio, MaxRatio float64
}

// InceptionCrop returns the bounds in common use: 0.08 to 1 of the area, ratios of 3/4 to 4/3.
func InceptionCrop() ResizedCrop {
	return ResizedCrop{MinScale: 0.08, MaxScale: 1, MinRatio: 3.0 / 4, MaxRatio: 4.0 / 3}
}

func (c ResizedCrop) on() bool { return c != ResizedCrop{} }

func (c ResizedCrop) check() error {
	switch {
	case !c.on():
		return nil
	case !(c.MinScale > 0 && c.MinScale <= c.MaxScale && c.MaxScale <= 1):
		return fmt.Errorf("datasets: resized crop has scales \"%v\" to \"%v\": take a range within 0 and 1", c.MinScale, c.MaxScale)
	case !(c.MinRatio > 0 && c.MinRatio <= c.MaxRatio && c.MaxRatio <= 100):
		return fmt.Errorf("datasets: resized crop has ratios \"%v\" to \"%v\": take a range within 0 and 100", c.MinRatio, c.MaxRatio)
	}
	return nil
}

// apply returns a random part of an image in another size.
func (c ResizedCrop) apply(image raster, height, width int, random *stream) raster {
	top, left, h, w := c.part(image.height, image.width, random)
	return image.cut(top, left, h, w).resample(span{size: height, to: height}, span{size: width, to: width}, Bicubic)
}

// part draws the part to cut out of an image of a size.
func (c ResizedCrop) part(height, width int, random *stream) (top, left, h, w int) {
	for range 10 {
		area, ratio := float64(height*width)*random.uniform(c.MinScale, c.MaxScale), random.logUniform(c.MinRatio, c.MaxRatio)
		w, h = int(math.RoundToEven(math.Sqrt(area*ratio))), int(math.RoundToEven(math.Sqrt(area/ratio)))
		if 0 < w && w <= width && 0 < h && h <= height {
			return random.between(0, height-h), random.between(0, width-w), h, w
		}
	}
	// None fits, of an image that is too long: the middle then, as much as the ratios allow.
	h, w = height, width
	switch ratio := float64(width) / float64(height); {
	case ratio < c.MinRatio:
		h = min(height, max(1, int(math.RoundToEven(float64(width)/c.MinRatio))))
	case ratio > c.MaxRatio:
		w = min(width, max(1, int(math.RoundToEven(float64(height)*c.MaxRatio))))
	}
	return (height - h) / 2, (width - w) / 2, h, w
}

// cut returns a part of the raster, a copy.
func (r raster) cut(top, left, height, width int) raster {
	to := newEmptyRaster(len(r.planes), height, width)
	for c, plane := range r.planes {
		for y := range height {
			copy(to.planes[c][y*width:][:width], plane[(top+y)*r.width+left:])
		}
	}
	return to
}
