package plots

import (
	"errors"
	"fmt"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tokenfuse/lib/result"
)

// Speedup draws rows of `bench` that stand beside their base model: speed-up over the share of its GMACs,
// a colour for each method. The dashed line is where GMACs would be time; a method's own cut (bench.Cut) is
// an open circle, and the bar between both is what the method's step costs. Rows without a speed-up, and
// the base model, are left out.
func Speedup(rows []result.Row) (*Figure, error) {
	p := newPlot()
	p.X.Label.Text, p.Y.Label.Text = "GMACs (% of the base model)", "Speed-up"
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = faint, faint
	p.Add(grid)
	figure := &Figure{Plot: p, Width: TextWidth}
	cuts, methods := map[string]plotter.XY{}, map[string]plotter.XY{}
	var order []string
	for i, name := range result.Series(rows) {
		if r := rows[i]; r.Speedup > 0 && r.GMACsShare > 0 && r.Method != result.None {
			at := plotter.XY{X: 100 * r.GMACsShare, Y: r.Speedup}
			if of, ok := strings.CutPrefix(name, "cut as "); ok && r.Method == "cut" {
				cuts[of] = at
				continue
			}
			methods[name] = at
			order = append(order, name)
		}
	}
	if len(order) == 0 {
		return nil, errors.New("plots: no rows with a speed-up: pass rows of `bench`, the base model among them")
	}
	figure.addIdeal()
	var said []string
	for i, name := range order {
		colour := colours[i%len(colours)]
		mark := &plotter.Scatter{XYs: plotter.XYs{methods[name]}, GlyphStyle: draw.GlyphStyle{Color: colour, Radius: 4, Shape: glyphs[i%4]}}
		words := fmt.Sprintf("%s %.2f at %.0f%% of the GMACs", name, methods[name].Y, methods[name].X)
		if cut, ok := cuts[name]; ok {
			bar := &plotter.Line{XYs: plotter.XYs{methods[name], cut}, LineStyle: draw.LineStyle{Color: colour, Width: 1.5}}
			ring := &plotter.Scatter{XYs: plotter.XYs{cut}, GlyphStyle: draw.GlyphStyle{Color: colour, Radius: 4, Shape: draw.RingGlyph{}}}
			p.Add(bar, ring)
			words += fmt.Sprintf(", cut %.2f", cut.Y)
		}
		p.Add(mark)
		figure.legend = append(figure.legend, legendEntry{name, []plot.Thumbnailer{mark}})
		said = append(said, words)
	}
	if len(cuts) > 0 {
		ring := &plotter.Scatter{XYs: plotter.XYs{{}}, GlyphStyle: draw.GlyphStyle{Color: ink, Radius: 4, Shape: draw.RingGlyph{}}}
		figure.legend = append(figure.legend, legendEntry{"as many tokens cut off", []plot.Thumbnailer{ring}})
	}
	padAxis(&p.X, 10)
	p.Y.Min = min(p.Y.Min, 1)
	p.Y.Max = max(p.Y.Max, 100/max(p.X.Min, 1))
	padAxis(&p.Y, 0.2)
	figure.Height = 3.2*vg.Inch + legendHeight(figure.legend, figure.Width-2*margin)
	figure.Alt = "Speed-up over the base model: " + strings.Join(said, "; ")
	return figure.from(rows), nil
}

// addIdeal draws the speed-up of a model whose time is its GMACs.
func (f *Figure) addIdeal() {
	line := plotter.NewFunction(func(percent float64) float64 { return 100 / percent })
	line.LineStyle = draw.LineStyle{Color: ink, Width: 0.8, Dashes: []vg.Length{3, 2}}
	f.Plot.Add(line)
	f.legend = append(f.legend, legendEntry{"were time GMACs", []plot.Thumbnailer{line}})
}
