package plots

import (
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// barsFrom draws horizontal bars that begin at a value.
type barsFrom struct {
	zero float64
	bars []bar
}

// Plot implements plot.Plotter.
func (b barsFrom) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, bar := range b.bars {
		mean, _, _, _ := bar.s.accuracy()
		c.SetColor(bar.colour)
		c.Fill(vg.Rectangle{
			Min: vg.Point{X: x(b.zero), Y: y(-bar.place - bar.height/2)},
			Max: vg.Point{X: x(mean), Y: y(-bar.place + bar.height/2)},
		}.Path())
	}
}

// barValues writes the accuracy of each bar to the right of the plot.
type barValues struct{ bars []bar }

// Plot implements plot.Plotter.
func (v barValues) Plot(c draw.Canvas, p *plot.Plot) {
	_, y := p.Transforms(&c)
	for _, b := range v.bars {
		style := v.style(p)
		// Digits do not go below the line.
		c.FillText(style, vg.Point{X: c.Max.X + 5, Y: y(-b.place) + 0.08*style.Font.Size}, v.label(b))
	}
}

// GlyphBoxes implements plot.GlyphBoxer: it keeps the room.
func (v barValues) GlyphBoxes(p *plot.Plot) []plot.GlyphBox {
	boxes := make([]plot.GlyphBox, len(v.bars))
	for i, b := range v.bars {
		boxes[i] = plot.GlyphBox{X: 1, Y: p.Y.Norm(-b.place), Rectangle: vg.Rectangle{
			Min: vg.Point{Y: -3}, Max: vg.Point{X: 6 + v.style(p).Width(v.label(b)), Y: 3},
		}}
	}
	return boxes
}

func (barValues) label(b bar) string {
	mean, _, _, _ := b.s.accuracy()
	return strconv.FormatFloat(mean, 'f', 2, 64)
}

func (barValues) style(p *plot.Plot) text.Style {
	style := p.X.Tick.Label
	style.XAlign, style.YAlign = draw.XLeft, draw.YCenter
	return style
}

// whisker stands in a legend for an interval.
type whisker struct{ draw.LineStyle }

// Thumbnail implements plot.Thumbnailer.
func (w whisker) Thumbnail(c *draw.Canvas) {
	y := c.Center().Y
	left, right := c.Min.X+4, c.Max.X-4
	c.StrokeLine2(w.LineStyle, left, y, right, y)
	c.StrokeLine2(w.LineStyle, left, y-2, left, y+2)
	c.StrokeLine2(w.LineStyle, right, y-2, right, y+2)
}

// upright stands in a legend for a vertical interval.
type upright struct{ draw.LineStyle }

// Thumbnail implements plot.Thumbnailer.
func (u upright) Thumbnail(c *draw.Canvas) {
	x, low, high := c.Center().X, c.Min.Y+1, c.Max.Y-1
	c.StrokeLine2(u.LineStyle, x, low, x, high)
	c.StrokeLine2(u.LineStyle, x-2, low, x+2, low)
	c.StrokeLine2(u.LineStyle, x-2, high, x+2, high)
}
