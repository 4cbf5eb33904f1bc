package datasets

import (
	"math"
	"strconv"
)

// transform returns the image whose pixel (x, y) is that of this one at (m0*x + m1*y + m2,
// m3*x + m4*y + m5), counted from the pixels' centres, or fill where that is outside: the same to the
// bit as Pillow's Image.transform(size, AFFINE, m, BICUBIC). Unlike the filter of Resize, this one has
// a = -1, does not widen, and cuts off instead of rounding.
func (r raster) transform(m [6]float64, fill []uint8) raster {
	to := newEmptyRaster(len(r.planes), r.height, r.width)
	for y := range r.height {
		for x := range r.width {
			// Conversions round: otherwise some machines fuse products and sums, and differ.
			across, down := float64(x)+0.5, float64(y)+0.5
			fromX := float64(m[0]*across) + float64(m[1]*down) + m[2]
			fromY := float64(m[3]*across) + float64(m[4]*down) + m[5]
			p := y*r.width + x
			if !(fromX >= 0 && fromX < float64(r.width) && fromY >= 0 && fromY < float64(r.height)) {
				for c, plane := range to.planes {
					plane[p] = fill[c]
				}
				continue
			}
			at := r.around(fromX-0.5, fromY-0.5)
			for c, plane := range r.planes {
				to.planes[c][p] = at.value(plane)
			}
		}
	}
	return to
}

// surroundings are those of a point between pixels: the columns around it, the beginnings of the rows around it, and how
// far it is from the second of each.
type surroundings struct {
	columns, rows [4]int
	dx, dy        float64
}

// around returns the surroundings of a point, pixels beyond the border being those at it.
func (r raster) around(x, y float64) surroundings {
	left, top := math.Floor(x), math.Floor(y)
	at := surroundings{dx: x - left, dy: y - top}
	for k := range 4 {
		at.columns[k] = max(0, min(r.width-1, int(left)-1+k))
		at.rows[k] = max(0, min(r.height-1, int(top)-1+k)) * r.width
	}
	return at
}

func (at *surroundings) value(plane []uint8) uint8 {
	var rows [4]float64
	for k, row := range at.rows {
		rows[k] = cubic(float64(plane[row+at.columns[0]]), float64(plane[row+at.columns[1]]),
			float64(plane[row+at.columns[2]]), float64(plane[row+at.columns[3]]), at.dx)
	}
	return uint8(min(max(cubic(rows[0], rows[1], rows[2], rows[3], at.dy), 0), 255))
}

// cubic returns the value at a distance of d, 0 to 1, from the second of four.
func cubic(v1, v2, v3, v4, d float64) float64 {
	p2, p3, p4 := -v1+v3, 2*(v1-v2)+v3-v4, -v1+v2-v3+v4
	return v2 + float64(d*(p2+float64(d*(p3+float64(d*p4)))))
}

// rotate turns the image about its centre, counterclockwise, as Pillow's Image.rotate with BICUBIC.
func (r raster) rotate(degrees float64, fill []uint8) raster {
	degrees = math.Mod(degrees, 360)
	if degrees == 0 {
		return r
	}
	if degrees < 0 {
		degrees += 360
	}
	angle := -degrees * (math.Pi / 180)
	sin, cos := rounded(math.Sin(angle)), rounded(math.Cos(angle))
	x, y := float64(r.width)/2, float64(r.height)/2
	return r.transform([6]float64{
		cos, sin, float64(cos*-x) + float64(sin*-y) + x,
		-sin, cos, float64(-sin*-x) + float64(cos*-y) + y,
	}, fill)
}

// rounded returns a number rounded to 15 decimals, as Python's round does.
func rounded(x float64) float64 {
	y, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'f', 15, 64), 64)
	return y
}
