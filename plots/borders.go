package plots

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// borders draws the lines between the tokens of an image, as lines, so that SVG and PDF stay sharp.
type borders struct {
	// strong lie where at least one side holds several patches, weak between patches that stand
	// alone; in patches, counted from the lower left.
	strong, weak [][2]plotter.XY
}

func newBorders(g Groups) *borders {
	members := g.members()
	several := func(patch int) bool { return len(members[g.Of[patch]]) > 1 }
	b := &borders{}
	between := func(patch, other int, from, to plotter.XY) {
		switch {
		case g.Of[patch] == g.Of[other]:
		case several(patch) || several(other):
			b.strong = append(b.strong, [2]plotter.XY{from, to})
		default:
			b.weak = append(b.weak, [2]plotter.XY{from, to})
		}
	}
	for row := range g.Rows {
		for col := range g.Cols {
			patch := row*g.Cols + col
			x, y := float64(col+1), float64(g.Rows-row-1)
			if col+1 < g.Cols {
				between(patch, patch+1, plotter.XY{X: x, Y: y}, plotter.XY{X: x, Y: y + 1})
			}
			if row+1 < g.Rows {
				between(patch, patch+g.Cols, plotter.XY{X: x - 1, Y: y}, plotter.XY{X: x, Y: y})
			}
		}
	}
	return b
}

// Plot implements plot.Plotter. Lines are as wide as the patches allow; white ones have a black rim,
// to be seen on any picture.
func (b *borders) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	width := min(1.1, 0.065*(x(1)-x(0)))
	stroke := func(edges [][2]plotter.XY, colour color.Color, width vg.Length) {
		style := draw.LineStyle{Color: colour, Width: width}
		for _, edge := range edges {
			from := vg.Point{X: x(edge[0].X), Y: y(edge[0].Y)}
			to := vg.Point{X: x(edge[1].X), Y: y(edge[1].Y)}
			// Half a width more at both ends closes the corners.
			if edge[0].X == edge[1].X {
				from.Y, to.Y = from.Y-width/2, to.Y+width/2
			} else {
				from.X, to.X = from.X-width/2, to.X+width/2
			}
			for _, line := range c.ClipLinesXY([]vg.Point{from, to}) {
				c.StrokeLine2(style, line[0].X, line[0].Y, line[1].X, line[1].Y)
			}
		}
	}
	stroke(b.weak, fixed{grey(0x88)}, 0.3*width)
	stroke(b.strong, fixed{grey(0x00)}, 2.2*width)
	stroke(b.strong, fixed{grey(0xFF)}, width)
}
