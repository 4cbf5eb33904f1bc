package datasets

import "image"

// A ycc is how a codec makes RGB of luma and chroma that is stored at half the size. Its decoder
// interpolates the chroma between the nearest samples with weights 3 and 1, in each direction that
// is halved; Go's own conversion repeats them, which is up to 20 levels away.
type ycc struct {
	// round holds what is added, for even and odd columns, before dividing by 16.
	round [2]int32
	// narrow is the width of chroma up to which it is repeated rather than interpolated.
	narrow int
	rgb    func(y, cb, cr int32) (r, g, b uint8)
}

var (
	// Alternate rounding keeps libjpeg from shifting colours.
	libjpeg = ycc{round: [2]int32{8, 7}, narrow: 2, rgb: fullRange}
	libwebp = ycc{round: [2]int32{8, 8}, rgb: videoRange}
)

// decode returns the colours of a picture whose bounds begin at (0, 0).
func (c ycc) decode(picture *image.YCbCr) *image.NRGBA {
	width, height := picture.Rect.Dx(), picture.Rect.Dy()
	to := image.NewNRGBA(image.Rect(0, 0, width, height))
	cb := c.upsampler(picture.Cb, picture)
	cr := c.upsampler(picture.Cr, picture)
	cbs, crs := make([]uint8, width), make([]uint8, width)
	for y := range height {
		cb(cbs, y)
		cr(crs, y)
		lumas := picture.Y[y*picture.YStride:][:width]
		row := to.Pix[y*to.Stride:][:4*width]
		for x, l := range lumas {
			r, g, b := c.rgb(int32(l), int32(cbs[x]), int32(crs[x]))
			pixel := row[4*x : 4*x+4 : 4*x+4]
			pixel[0], pixel[1], pixel[2], pixel[3] = r, g, b, 255
		}
	}
	return to
}

// upsampler returns a function that writes row y of a chroma plane of the picture, in full width.
func (c ycc) upsampler(plane []uint8, picture *image.YCbCr) func(to []uint8, y int) {
	across, down := ratios(picture.SubsampleRatio)
	width := (picture.Rect.Dx() + across - 1) / across
	height := (picture.Rect.Dy() + down - 1) / down
	row := func(y int) []uint8 {
		y = min(max(y, 0), height-1)
		return plane[y*picture.CStride:][:width]
	}
	// Ratios of 4 are rare, and repeated by libjpeg too.
	between := across == 2 && down <= 2 && width > c.narrow
	if !between && !(across == 1 && down == 2) {
		return func(to []uint8, y int) {
			from := row(y / down)
			for x := range to {
				to[x] = from[x/across]
			}
		}
	}
	// One sample more on either side repeats the outermost, to be its neighbour.
	sums := make([]int32, width+2)
	return func(to []uint8, y int) {
		if down == 1 {
			for i, value := range row(y) {
				sums[i+1] = int32(value)
			}
		} else {
			near, far := row(y/2), row(y/2+2*(y%2)-1)
			for i, value := range near {
				sums[i+1] = 3*int32(value) + int32(far[i])
			}
		}
		if across == 1 {
			for x := range to {
				to[x] = uint8((sums[x+1] + 1 + int32(y%2)) >> 2)
			}
			return
		}
		sums[0], sums[width+1] = sums[1], sums[width]
		round, shift := c.round, 4
		if down == 1 {
			round, shift = [2]int32{1, 2}, 2
		}
		for x := range to {
			near, far := x/2+1, x/2+2*(x%2)
			to[x] = uint8((3*sums[near] + sums[far] + round[x%2]) >> shift)
		}
	}
}

// ratios returns how many columns and rows share one sample of chroma.
func ratios(ratio image.YCbCrSubsampleRatio) (across, down int) {
	switch ratio {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	}
	return 1, 1
}

// fullRange converts as libjpeg: JFIF's matrix in units of 1/65536, rounded per product but for
// green, whose two products are rounded together.
func fullRange(y, cb, cr int32) (r, g, b uint8) {
	const half = 1 << 15
	cb, cr = cb-128, cr-128
	return clip(y + (91881*cr+half)>>16),
		clip(y + (-22554*cb-46802*cr+half)>>16),
		clip(y + (116130*cb+half)>>16)
}

// videoRange converts as libwebp: luma is within 16 and 235, and chroma within 16 and 240. The
// constants are the matrix of ITU-R 601 in units of 1/16384, and its offsets in units of 1/64.
func videoRange(y, u, v int32) (r, g, b uint8) {
	l := y * 19077 >> 8
	return clip((l + v*26149>>8 - 14234) >> 6),
		clip((l - u*6419>>8 - v*13320>>8 + 8708) >> 6),
		clip((l + u*33050>>8 - 17685) >> 6)
}

// flattenWebP is flatten for what a WebP file holds, where luma and chroma mean something else
// than in a JPEG.
func flattenWebP(picture image.Image) image.Image {
	switch from := picture.(type) {
	case *image.YCbCr:
		return libwebp.decode(from)
	case *image.NYCbCrA:
		return libwebp.decode(&from.YCbCr)
	}
	return flatten(picture)
}

func clip(value int32) uint8 { return uint8(min(max(value, 0), 255)) }
