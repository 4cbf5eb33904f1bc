package datasets

import (
	"image"
	"image/color"
	"image/draw"
)

// flatten returns a picture without alpha, its colours not blended: grey ones of 8 and 16 bits as
// *image.Gray, others as an opaque *image.NRGBA. It may return the picture itself, or share its
// pixels, where nothing is to be changed.
func flatten(picture image.Image) image.Image {
	bounds := picture.Bounds()
	switch from := picture.(type) {
	case *image.Gray:
		return from
	case *image.Gray16:
		grey := image.NewGray(bounds)
		draw.Draw(grey, bounds, from, bounds.Min, draw.Src)
		return grey
	case *image.YCbCr:
		if bounds.Min == (image.Point{}) {
			return libjpeg.decode(from)
		}
	case *image.NRGBA:
		if from.Opaque() {
			return from
		}
	}
	flat := image.NewNRGBA(bounds)
	colour := colours(picture)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		row := flat.Pix[flat.PixOffset(bounds.Min.X, y):]
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := colour(x, y)
			row[0], row[1], row[2], row[3] = c.R, c.G, c.B, 255
			row = row[4:]
		}
	}
	return flat
}

// colours returns a function that gives the colours of a picture; their alpha is without meaning.
// Pictures that are not premultiplied keep their colours where they are transparent.
func colours(picture image.Image) func(x, y int) color.NRGBA {
	switch from := picture.(type) {
	case *image.NRGBA:
		return from.NRGBAAt
	case *image.NRGBA64:
		return func(x, y int) color.NRGBA {
			c := from.NRGBA64At(x, y)
			return color.NRGBA{R: uint8(c.R >> 8), G: uint8(c.G >> 8), B: uint8(c.B >> 8)}
		}
	case *image.CMYK:
		return func(x, y int) color.NRGBA {
			c := from.CMYKAt(x, y)
			return color.NRGBA{R: inked(c.C, c.K), G: inked(c.M, c.K), B: inked(c.Y, c.K)}
		}
	}
	return func(x, y int) color.NRGBA {
		return color.NRGBAModel.Convert(picture.At(x, y)).(color.NRGBA)
	}
}

// inked returns the light that an ink and black leave, rounded as Pillow does.
func inked(ink, black uint8) uint8 {
	paper := int(255 - black)
	// Exactly the rounded quotient by 255.
	product := paper*int(ink) + 128
	return uint8(max(0, paper-(product+product>>8)>>8))
}

// luma returns the grey of a colour as Pillow's convert("L"): ITU-R 601 in units of 1/65536.
func luma(r, g, b uint8) uint8 {
	return uint8((19595*uint32(r) + 38470*uint32(g) + 7471*uint32(b) + 1<<15) >> 16)
}
