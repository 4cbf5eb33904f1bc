package plots

import (
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// colours are Okabe and Ito's (jfly.uni-koeln.de/color), the best told apart on white first. Their
// black is left to the base model.
var colours = []color.NRGBA{
	{0x00, 0x72, 0xB2, 0xFF}, // blue
	{0xD5, 0x5E, 0x00, 0xFF}, // vermillion
	{0x00, 0x9E, 0x73, 0xFF}, // bluish green
	{0xCC, 0x79, 0xA7, 0xFF}, // reddish purple
	{0xE6, 0x9F, 0x00, 0xFF}, // orange
	{0x56, 0xB4, 0xE9, 0xFF}, // sky blue
	{0xF0, 0xE4, 0x42, 0xFF}, // yellow
}

// glyphs are eight, and colours seven: the first 56 series differ in the pair.
var glyphs = append(filled[:len(filled):len(filled)],
	draw.RingGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.CrossGlyph{})

// filled are the glyphs that no open one is taken for.
var filled = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, diamond{}}

var (
	ink   = color.NRGBA{0x22, 0x22, 0x22, 0xFF} // text and axes
	faint = color.NRGBA{0xE6, 0xE6, 0xE6, 0xFF} // grid lines
)

const (
	titleSize = 10 // points
	labelSize = 9
	tickSize  = 8
)

func sans(size vg.Length) font.Font {
	f := font.From(plot.DefaultFont, size)
	f.Variant = "Sans"
	return f
}

// newPlot returns an empty plot in the style of all figures here.
func newPlot() *plot.Plot {
	p := plot.New()
	p.Title.TextStyle.Font = sans(titleSize)
	p.Title.TextStyle.Color = ink
	p.Title.Padding = 4
	p.Legend.TextStyle.Font = sans(tickSize)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font = sans(labelSize)
		axis.Label.TextStyle.Color = ink
		axis.Label.Padding = 3
		axis.Tick.Label.Font = sans(tickSize)
		axis.Tick.Label.Color = ink
		axis.Tick.LineStyle.Color = ink
		axis.Tick.Length = 3
		axis.Tick.Marker = roundTicks{}
		axis.LineStyle.Color = ink
		axis.Padding = 0
	}
	return p
}

// roundTicks marks an axis at 1, 2 or 5 times a power of ten, at four places or more.
type roundTicks struct{}

// Ticks implements plot.Ticker.
func (roundTicks) Ticks(low, high float64) []plot.Tick {
	span := high - low
	if !(span > 0) || math.IsInf(span, 0) {
		return nil
	}
	power := math.Floor(math.Log10(span / 4))
	step := math.Pow(10, power)
	for _, multiple := range []float64{5, 2} {
		if span/(multiple*step) >= 4 {
			step *= multiple
			break
		}
	}
	decimals := max(0, -int(power))
	var ticks []plot.Tick
	for i := math.Ceil(low/step - 1e-9); i*step <= high+1e-9*step; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step+0, 'f', decimals, 64)})
	}
	return ticks
}

// diamond is a filled square on its corner.
type diamond struct{}

// DrawGlyph implements draw.GlyphDrawer.
func (diamond) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	r := style.Radius * 1.15
	var path vg.Path
	path.Move(vg.Point{X: at.X, Y: at.Y + r})
	path.Line(vg.Point{X: at.X + r, Y: at.Y})
	path.Line(vg.Point{X: at.X, Y: at.Y - r})
	path.Line(vg.Point{X: at.X - r, Y: at.Y})
	path.Close()
	c.SetColor(style.Color)
	c.Fill(path)
}

// star is filled, with five points.
type star struct{}

// DrawGlyph implements draw.GlyphDrawer.
func (star) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	var path vg.Path
	for i := range 10 {
		r := float64(style.Radius)
		if i%2 == 1 {
			r *= 0.45
		}
		sin, cos := math.Sincos(math.Pi / 5 * float64(i))
		corner := vg.Point{X: at.X + vg.Length(r*sin), Y: at.Y + vg.Length(r*cos)}
		if i == 0 {
			path.Move(corner)
		} else {
			path.Line(corner)
		}
	}
	path.Close()
	c.SetColor(style.Color)
	c.Fill(path)
}

// style is the line's own; a base model's is dashed, its glyph a star.
func (l line) style() (draw.LineStyle, draw.GlyphStyle) {
	if l.base() {
		return draw.LineStyle{Color: ink, Width: 1, Dashes: []vg.Length{3, 2}}, draw.GlyphStyle{Color: ink, Radius: 4, Shape: star{}}
	}
	colour := l.colour()
	return draw.LineStyle{Color: colour, Width: 1.5}, draw.GlyphStyle{Color: colour, Radius: 2.5, Shape: glyphs[l.index%len(glyphs)]}
}

// colour is the line's own; a base model's is black.
func (l line) colour() color.NRGBA {
	if l.base() {
		return ink
	}
	return colours[l.index%len(colours)]
}
