package plots

import (
	"gonum.org/v1/plot"
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
