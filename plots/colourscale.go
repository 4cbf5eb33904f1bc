package plots

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// viridis are nine of the colours of matplotlib's scale of that name (CC0), from low to high: lighter
// step by step, for the colour-blind and in print without colours too.
var viridis = []color.NRGBA{
	{0x44, 0x01, 0x54, 0xFF}, {0x47, 0x2D, 0x7B, 0xFF}, {0x3B, 0x52, 0x8B, 0xFF},
	{0x2C, 0x72, 0x8E, 0xFF}, {0x21, 0x91, 0x8C, 0xFF}, {0x28, 0xAE, 0x80, 0xFF},
	{0x5E, 0xC9, 0x62, 0xFF}, {0xAD, 0xDC, 0x30, 0xFF}, {0xFD, 0xE7, 0x25, 0xFF},
}

// scaled returns the colour of a part between 0 and 1.
func scaled(part float64) color.NRGBA {
	place := min(max(part, 0), 1) * float64(len(viridis)-1)
	i := min(int(place), len(viridis)-2)
	return blend(viridis[i], viridis[i+1], place-float64(i))
}

// readable is black or white, whichever has more contrast to a colour (WCAG 2.2, relative luminance).
func readable(on color.NRGBA) color.Color {
	light := func(level uint8) float64 { return math.Pow(float64(level)/0xFF, 2.2) }
	if 0.2126*light(on.R)+0.7152*light(on.G)+0.0722*light(on.B) > 0.179 {
		return fixed{grey(0)}
	}
	return fixed{grey(0xFF)}
}

// part says where a value lies between two others; 0.5 where they are equal.
func part(value, low, high float64) float64 {
	if high == low {
		return 0.5
	}
	return (value - low) / (high - low)
}

// ramp stands in a legend for the scale of colours.
type ramp struct{}

// Thumbnail implements plot.Thumbnailer.
func (ramp) Thumbnail(c *draw.Canvas) {
	const steps = 44
	width := c.Size().X / steps
	for i := range steps {
		left := c.Min.X + vg.Length(i)*width
		c.SetColor(fixed{scaled(float64(i) / (steps - 1))})
		// A little wider, so that no seam shows.
		c.Fill(vg.Rectangle{Min: vg.Point{X: left, Y: c.Center().Y - 4}, Max: vg.Point{X: min(left+width*1.5, c.Max.X), Y: c.Center().Y + 4}}.Path())
	}
}

// swatch stands in a legend for an area of a colour.
type swatch struct{ colour color.Color }

// Thumbnail implements plot.Thumbnailer.
func (s swatch) Thumbnail(c *draw.Canvas) {
	c.SetColor(s.colour)
	c.Fill(vg.Rectangle{Min: vg.Point{X: c.Min.X + 4, Y: c.Center().Y - 4}, Max: vg.Point{X: c.Max.X - 4, Y: c.Center().Y + 4}}.Path())
}
