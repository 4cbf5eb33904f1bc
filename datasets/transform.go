package datasets

import (
	"fmt"
	"image"
)

// Transform makes a model's input of a single picture, as torchvision does with Pillow's images for
// evaluation: Resize (bicubic), CenterCrop, ToTensor, Normalize. Pixels are the same to the last bit as
// with Pillow 12 (see Resize).
type Transform struct {
	// Resize is what the shorter side has after resizing, in pixels; the longer one follows, rounded
	// down. 0 resizes to Height x Width without regard to the ratio of the sides.
	Resize int
	// Height and Width are those of the centre crop; where the picture is smaller, black surrounds it.
	Height, Width int
	// Channels is 3 (RGB) or 1 (luma, taken before resizing).
	Channels int
	// Mean and Std, one of each per channel, normalise pixels in [0, 1]: (pixel - Mean) / Std.
	Mean, Std []float64
}

// Validate returns an error that names the first field that Apply cannot work with.
func (t Transform) Validate() error {
	switch {
	case t.Resize < 0:
		return fmt.Errorf("datasets: transform has resize \"%d\": take a number of pixels, or 0 for none", t.Resize)
	case t.Height < 1 || t.Width < 1:
		return fmt.Errorf("datasets: transform has size \"%dx%d\": take at least one pixel", t.Height, t.Width)
	case t.Channels != 1 && t.Channels != 3:
		return fmt.Errorf("datasets: transform has \"%d\" channels: take 1 or 3", t.Channels)
	case len(t.Mean) != t.Channels || len(t.Std) != t.Channels:
		return fmt.Errorf("datasets: transform has mean \"%v\" and std \"%v\": give %d of each", t.Mean, t.Std, t.Channels)
	}
	for _, std := range t.Std {
		if !(std > 0) {
			return fmt.Errorf("datasets: transform has std \"%v\": take numbers above 0", t.Std)
		}
	}
	return nil
}

// Apply returns the model's input, [channels, height, width]. Alpha is dropped, not blended. The
// transform is one that Validate has no objection to; others may panic.
func (t Transform) Apply(picture image.Image) []float32 {
	values := make([]float32, t.Channels*t.Height*t.Width)
	t.frame().normalise(values, t.raster(picture))
	return values
}

// Cut returns what a model is to see of a picture, Height x Width pixels: resized and cut as by Apply, not
// normalised.
func (t Transform) Cut(picture image.Image) image.Image { return t.raster(picture).image() }

func (t Transform) frame() frame {
	mean, std := make([]float32, t.Channels), make([]float32, t.Channels)
	for c := range mean {
		mean[c], std[c] = float32(t.Mean[c]), float32(t.Std[c])
	}
	return newFrame(t.Height, t.Width, mean, std)
}

// raster is Apply before normalising.
func (t Transform) raster(picture image.Image) raster {
	from := newRaster(flatten(picture), t.Channels)
	height, width := t.resized(from.height, from.width)
	rows, top := centre(height, t.Height)
	columns, left := centre(width, t.Width)
	// Only what the crop keeps is computed, however long the picture is.
	cropped := from.resample(rows, columns, Bicubic)
	if cropped.height == t.Height && cropped.width == t.Width {
		return cropped
	}
	to := newEmptyRaster(t.Channels, t.Height, t.Width)
	for c, plane := range cropped.planes {
		for y := range cropped.height {
			copy(to.planes[c][(top+y)*t.Width+left:], plane[y*cropped.width:][:cropped.width])
		}
	}
	return to
}

// resized returns the size that a picture has after resizing.
func (t Transform) resized(height, width int) (newHeight, newWidth int) {
	switch {
	case t.Resize == 0 || height == 0 || width == 0:
		return t.Height, t.Width
	case width <= height:
		return t.Resize * height / width, t.Resize
	}
	return t.Resize, t.Resize * width / height
}

// centre returns the part of an axis that a crop of the given length keeps, and where the crop has
// its first pixel: 0, or more where the axis is shorter.
func centre(size, length int) (kept span, offset int) {
	if size < length {
		return span{size: size, to: size}, (length - size) / 2
	}
	// The offset is rounded to the nearest, halves to even, as Python's round.
	from := (size - length) / 2
	if (size-length)%2 == 1 && from%2 == 1 {
		from++
	}
	return span{size: size, from: from, to: from + length}, 0
}
