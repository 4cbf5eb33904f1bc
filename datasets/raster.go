package datasets

import "image"

// A raster is a picture as planes of 8 bits, [channels][height*width].
type raster struct {
	planes        [][]uint8
	height, width int
}

func newEmptyRaster(channels, height, width int) raster {
	return rasterOf(make([]uint8, channels*height*width), channels, height, width)
}

// rasterOf returns pixels [channels, height, width] as a raster, which shares them.
func rasterOf(pixels []uint8, channels, height, width int) raster {
	r := raster{planes: make([][]uint8, channels), height: height, width: width}
	for c := range r.planes {
		r.planes[c] = pixels[c*height*width:][: height*width : height*width]
	}
	return r
}

// newRaster returns the pixels of what flatten returns: their luma for one channel, else red, green
// and blue.
func newRaster(flat image.Image, channels int) raster {
	bounds := flat.Bounds()
	r := newEmptyRaster(channels, bounds.Dy(), bounds.Dx())
	for y := range r.height {
		switch from := flat.(type) {
		case *image.Gray:
			row := from.Pix[from.PixOffset(bounds.Min.X, bounds.Min.Y+y):][:r.width]
			for _, plane := range r.planes {
				copy(plane[y*r.width:], row)
			}
		case *image.NRGBA:
			row := from.Pix[from.PixOffset(bounds.Min.X, bounds.Min.Y+y):][:4*r.width]
			r.setRow(y, row)
		}
	}
	return r
}

// setRow sets a row of the raster from pixels of 4 bytes.
func (r raster) setRow(y int, row []uint8) {
	if len(r.planes) == 1 {
		plane := r.planes[0][y*r.width:][:r.width]
		for x := range plane {
			plane[x] = luma(row[4*x], row[4*x+1], row[4*x+2])
		}
		return
	}
	for c, plane := range r.planes {
		plane = plane[y*r.width:][:r.width]
		for x := range plane {
			plane[x] = row[4*x+c]
		}
	}
}

// image returns the raster as *image.Gray for one channel, which shares its pixels, else as an
// opaque *image.NRGBA.
func (r raster) image() image.Image {
	bounds := image.Rect(0, 0, r.width, r.height)
	if len(r.planes) == 1 {
		return &image.Gray{Pix: r.planes[0], Stride: r.width, Rect: bounds}
	}
	picture := image.NewNRGBA(bounds)
	for p := range r.height * r.width {
		pixel := picture.Pix[4*p : 4*p+4 : 4*p+4]
		for c, plane := range r.planes {
			pixel[c] = plane[p]
		}
		pixel[3] = 255
	}
	return picture
}
