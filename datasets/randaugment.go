package datasets

import "fmt"

// RandAugment applies so many operations to an image, drawn with replacement from 15, each with
// probability 1/2 (RandAugment, arXiv 1909.13719). It is timm's variant with increasing severity and a
// random magnitude, "rand-m9-mstd0.5-inc1" for {2, 9, 0.5}, with which DeiT is trained: autocontrast,
// equalize, invert, rotate, posterize, solarize, solarize-add, colour, contrast, brightness, sharpness,
// shear and translate along both axes. Colours and places are Pillow's to the bit; what moves in is of the
// mean colour, and the filter is the bicubic one of Pillow's transform. The zero value does nothing.
type RandAugment struct {
	Operations int // of an image; timm's n
	// Magnitude is the strength, 0 to 10 (timm's m); Deviation the standard deviation of the normal
	// distribution around it of which each operation draws its own, cut off at 0 and 10 (mstd).
	Magnitude, Deviation float64
}

func (r RandAugment) check() error {
	switch {
	case r.Operations < 0 || r.Operations > 100:
		return fmt.Errorf("datasets: RandAugment has \"%d\" operations: take 0 to 100", r.Operations)
	case !(r.Magnitude >= 0 && r.Magnitude <= 10):
		return fmt.Errorf("datasets: RandAugment has magnitude \"%v\": take 0 to 10", r.Magnitude)
	case !(r.Deviation >= 0 && r.Deviation <= 100):
		return fmt.Errorf("datasets: RandAugment has deviation \"%v\": take 0 to 100", r.Deviation)
	}
	return nil
}

// apply returns the image after some operations; it may be changed.
func (r RandAugment) apply(image raster, fill []uint8, random *stream) raster {
	for range r.Operations {
		operation := operations[random.below(len(operations))]
		if random.below(2) == 0 {
			continue
		}
		magnitude := r.Magnitude
		if r.Deviation > 0 {
			magnitude += float64(r.Deviation * random.normal())
		}
		share := min(max(magnitude, 0), 10) / 10
		sign := float64(2*random.below(2) - 1)
		image = operation.apply(image, operation.value(share, sign), fill)
	}
	return image
}

// operation is one of RandAugment's: what it does, and with which value for a share, 0 to 1, of the full
// strength, in one direction or the other (sign 1 or -1).
type operation struct {
	name  string
	value func(share, sign float64) float64
	apply func(image raster, value float64, fill []uint8) raster
}

// operations are those of timm's "inc1", in its order.
var operations = []operation{
	{"autocontrast", noValue, func(r raster, _ float64, _ []uint8) raster { return r.mapped(autoContrast) }},
	{"equalize", noValue, func(r raster, _ float64, _ []uint8) raster { return r.mapped(equalize) }},
	{"invert", noValue, func(r raster, _ float64, _ []uint8) raster { return r.mapped(solarize(0)) }},
	{"rotate", upTo(30), func(r raster, degrees float64, fill []uint8) raster { return r.rotate(degrees, fill) }},
	{"posterize", func(share, _ float64) float64 { return float64(4 - int(share*4)) },
		func(r raster, bits float64, _ []uint8) raster { return r.mapped(posterize(int(bits))) }},
	{"solarize", func(share, _ float64) float64 { return float64(256 - int(share*256)) },
		func(r raster, threshold float64, _ []uint8) raster { return r.mapped(solarize(int(threshold))) }},
	{"solarizeadd", func(share, _ float64) float64 { return float64(int(share * 110)) },
		func(r raster, add float64, _ []uint8) raster { return r.mapped(solarizeAdd(int(add))) }},
	{"color", around1, func(r raster, factor float64, _ []uint8) raster { return r.enhance(r.greyed(), factor) }},
	{"contrast", around1, func(r raster, factor float64, _ []uint8) raster { return r.enhance(r.levelled(), factor) }},
	{"brightness", around1, func(r raster, factor float64, _ []uint8) raster {
		return r.enhance(newEmptyRaster(len(r.planes), r.height, r.width), factor)
	}},
	{"sharpness", around1, func(r raster, factor float64, _ []uint8) raster { return r.enhance(r.smoothed(), factor) }},
	{"shearx", upTo(0.3), func(r raster, factor float64, fill []uint8) raster {
		return r.transform([6]float64{1, factor, 0, 0, 1, 0}, fill)
	}},
	{"sheary", upTo(0.3), func(r raster, factor float64, fill []uint8) raster {
		return r.transform([6]float64{1, 0, 0, factor, 1, 0}, fill)
	}},
	{"translatex", upTo(0.45), func(r raster, share float64, fill []uint8) raster {
		return r.transform([6]float64{1, 0, share * float64(r.width), 0, 1, 0}, fill)
	}},
	{"translatey", upTo(0.45), func(r raster, share float64, fill []uint8) raster {
		return r.transform([6]float64{1, 0, 0, 0, 1, share * float64(r.height)}, fill)
	}},
}

func noValue(float64, float64) float64 { return 0 }

func upTo(most float64) func(share, sign float64) float64 {
	return func(share, sign float64) float64 { return sign * share * most }
}

// around1 is the factor of an enhancement, of which 1 changes nothing.
func around1(share, sign float64) float64 { return max(0.1, 1+float64(sign*share*0.9)) }
