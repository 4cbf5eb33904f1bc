package plots

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// drawArrow draws a line with a head between two tokens, from border to border.
func drawArrow(c draw.Canvas, style draw.LineStyle, from, to vg.Point, radius vg.Length) {
	length := vg.Length(math.Hypot(float64(to.X-from.X), float64(to.Y-from.Y)))
	if length == 0 {
		return
	}
	along := vg.Point{X: (to.X - from.X) / length, Y: (to.Y - from.Y) / length}
	on := func(distance, aside vg.Length) vg.Point {
		return vg.Point{X: from.X + along.X*distance - along.Y*aside, Y: from.Y + along.Y*distance + along.X*aside}
	}
	end := length - radius - 1
	const head = 6
	tail, neck := on(radius, 0), on(end-head+1, 0)
	c.StrokeLine2(style, tail.X, tail.Y, neck.X, neck.Y)
	var path vg.Path
	path.Move(on(end, 0))
	path.Line(on(end-head, 2.5))
	path.Line(on(end-head, -2.5))
	path.Close()
	c.SetColor(style.Color)
	c.Fill(path)
}

// arrow stands in a legend for a direction.
type arrow struct{ draw.LineStyle }

// Thumbnail implements plot.Thumbnailer.
func (a arrow) Thumbnail(c *draw.Canvas) {
	drawArrow(*c, a.LineStyle, vg.Point{X: c.Min.X, Y: c.Center().Y}, vg.Point{X: c.Max.X, Y: c.Center().Y}, 0)
}

// node stands in a legend for a token.
type node struct {
	fill   color.Color
	square bool
}

// Thumbnail implements plot.Thumbnailer.
func (n node) Thumbnail(c *draw.Canvas) {
	drawNode(*c, vg.Point{X: c.Max.X - 6, Y: c.Center().Y}, 4, n.fill, n.square)
}
