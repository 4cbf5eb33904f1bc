package plots

import (
	"maps"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// groupSizes writes in each token of several patches how many they are, where patches are large enough.
type groupSizes struct{ g Groups }

// legiblePatch is the least width of a patch that a number is legible in.
const legiblePatch = 12 * vg.Length(1)

// Plot implements plot.Plotter.
func (s groupSizes) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	patch := min(x(1)-x(0), y(1)-y(0))
	if patch < legiblePatch {
		return
	}
	style := p.X.Tick.Label
	style.Font.Size = min(0.62*patch, 9)
	style.XAlign, style.YAlign = draw.XCenter, draw.YCenter
	members := s.g.members()
	for _, token := range slices.Sorted(maps.Keys(members)) {
		patches := members[token]
		if len(patches) < 2 {
			continue
		}
		at := s.middle(patches)
		centre := vg.Point{X: x(float64(at%s.g.Cols) + 0.5), Y: y(float64(s.g.Rows-at/s.g.Cols) - 0.5)}
		label := strconv.Itoa(len(patches))
		width := style.Width(label) + 3
		// A field beneath, so that the number is seen on any picture.
		c.SetColor(fixed{grey(0x00)})
		c.Fill(vg.Rectangle{
			Min: vg.Point{X: centre.X - width/2, Y: centre.Y - style.Font.Size/2 - 0.5},
			Max: vg.Point{X: centre.X + width/2, Y: centre.Y + style.Font.Size/2 + 0.5},
		}.Path())
		style.Color = fixed{grey(0xFF)}
		// Digits do not go below the line.
		c.FillText(style, vg.Point{X: centre.X, Y: centre.Y + 0.08*style.Font.Size}, label)
	}
}

// middle is the patch of a token that is nearest to the mean of all.
func (s groupSizes) middle(patches []int) int {
	row, col := 0.0, 0.0
	for _, patch := range patches {
		row += float64(patch/s.g.Cols) / float64(len(patches))
		col += float64(patch%s.g.Cols) / float64(len(patches))
	}
	best, least := patches[0], math.Inf(1)
	for _, patch := range patches {
		if d := math.Hypot(float64(patch/s.g.Cols)-row, float64(patch%s.g.Cols)-col); d < least-1e-9 {
			best, least = patch, d
		}
	}
	return best
}
