package plots

import (
	"errors"
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tokenfuse/lib/result"
)

// Speedup draws rows of `bench` that stand beside their base model: speed-up over the share of its GMACs,
// a colour for each. The dashed line is where GMACs would be time; a method's own cut (bench.Cut) is an
// open circle, and the bar between both is what the method's step costs. Rows without a speed-up, and
// base models, are left out.
func Speedup(rows []result.Row) (*Figure, error) {
	var methods, drawn []result.Row
	for _, r := range rows {
		if r.Speedup > 0 && r.GMACsShare > 0 && r.Method != result.None && r.Method != result.Cut {
			methods = append(methods, r)
		}
	}
	if len(methods) == 0 {
		return nil, errors.New("plots: no rows with a speed-up: pass rows of `bench`, the base model among them")
	}
	p := newPlot()
	p.X.Label.Text, p.Y.Label.Text = "GMACs (% of the base model)", "Speed-up"
	addGrid(p)
	figure := &Figure{Plot: p, Width: TextWidth}
	figure.addIdeal()
	cuts := false
	var said []string
	for i, name := range benchNames(methods, imageSizeOf) {
		r, colour := methods[i], colours[i%len(colours)]
		at := plotter.XY{X: 100 * r.GMACsShare, Y: r.Speedup}
		drawn = append(drawn, r)
		words := fmt.Sprintf("%s %.2f at %.0f%% of the GMACs", name, at.Y, at.X)
		if cut, ok := result.CutOf(rows, r); ok && cut.Speedup > 0 && cut.GMACsShare > 0 {
			to := plotter.XY{X: 100 * cut.GMACsShare, Y: cut.Speedup}
			p.Add(&plotter.Line{XYs: plotter.XYs{at, to}, LineStyle: draw.LineStyle{Color: colour, Width: 1.5}},
				&plotter.Scatter{XYs: plotter.XYs{to}, GlyphStyle: cutGlyph(colour)})
			words += fmt.Sprintf(", cut %.2f", to.Y)
			cuts, drawn = true, append(drawn, cut)
		}
		mark := &plotter.Scatter{XYs: plotter.XYs{at}, GlyphStyle: draw.GlyphStyle{Color: colour, Radius: 4, Shape: filled[i%len(filled)]}}
		p.Add(mark)
		figure.legend = append(figure.legend, legendEntry{name, []plot.Thumbnailer{mark}})
		said = append(said, words)
	}
	if cuts {
		figure.legend = append(figure.legend, legendEntry{"as many tokens cut off", []plot.Thumbnailer{&plotter.Scatter{GlyphStyle: cutGlyph(ink)}}})
	}
	padAxis(&p.X, 10)
	p.X.Min = max(p.X.Min, 1) // where the line of GMACs is still finite
	p.Y.Min, p.Y.Max = min(p.Y.Min, 1), max(p.Y.Max, 100/p.X.Min)
	padAxis(&p.Y, 0.2)
	figure.Height = 3.2*vg.Inch + legendHeight(figure.legend, figure.Width-2*margin)
	figure.Alt = "Speed-up over the base model: " + strings.Join(said, "; ")
	return figure.from(drawn), nil
}

// addIdeal draws the speed-up of a model whose time is its GMACs.
func (f *Figure) addIdeal() {
	line := plotter.NewFunction(func(percent float64) float64 { return 100 / percent })
	line.LineStyle = draw.LineStyle{Color: ink, Width: 0.8, Dashes: []vg.Length{3, 2}}
	f.Plot.Add(line)
	f.legend = append(f.legend, legendEntry{"if GMACs were time", []plot.Thumbnailer{line}})
}

func cutGlyph(colour color.Color) draw.GlyphStyle {
	return draw.GlyphStyle{Color: colour, Radius: 4, Shape: draw.RingGlyph{}}
}
