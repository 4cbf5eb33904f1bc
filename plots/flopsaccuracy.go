package plots

import (
	"cmp"
	"errors"
	"fmt"
	"image/color"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tokenfuse/lib/result"
)

// FLOPsAccuracy draws accuracy over GMACs: a line for each method through its settings, base models
// (method "none") with a dashed line at their accuracy, the Pareto front as a grey band, and 95%
// Wilson intervals where the number of samples is known. Rows of several datasets or splits are an
// error, since their accuracies do not compare.
func FLOPsAccuracy(rows []result.Row) (*Figure, error) {
	if len(rows) == 0 {
		return nil, errors.New("plots: no rows to draw: pass the rows of a run")
	}
	for i, r := range rows {
		if err := r.Validate(); err != nil {
			return nil, fmt.Errorf("plots: row %d: %s", i+1, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		if r.Dataset != rows[0].Dataset || r.Split != rows[0].Split {
			return nil, fmt.Errorf("plots: rows of %q and %q do not compare: draw them apart",
				rows[0].Dataset+" "+rows[0].Split, r.Dataset+" "+r.Split)
		}
	}

	p := newPlot()
	p.X.Label.Text = "GMACs per image"
	p.Y.Label.Text = "Top-1 accuracy (%)"
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = faint, faint
	p.Add(grid)

	figure := &Figure{Plot: p, Width: TextWidth}
	front := figure.addFront(result.Pareto(rows))
	names := result.Series(rows)
	methods := map[string][]result.Row{}
	var order []string // of first appearance
	for i, r := range rows {
		if methods[names[i]] == nil {
			order = append(order, names[i])
		}
		methods[names[i]] = append(methods[names[i]], r)
	}
	bases, fused := 0, 0
	for _, name := range order {
		if methods[name][0].Method == result.None {
			figure.addBase(name, methods[name], bases)
			bases++
		} else {
			figure.addSeries(name, methods[name], fused)
			fused++
		}
	}
	figure.legend = append(figure.legend, front...)
	padAxis(&p.X, 0.1*p.X.Max)
	padAxis(&p.Y, 0.5)
	figure.Height = 3.6*vg.Inch + legendHeight(figure.legend, figure.Width-2*margin)
	figure.Alt = describe(rows, order)
	return figure, nil
}

func points(rows []result.Row) plotter.XYs {
	xys := make(plotter.XYs, len(rows))
	for i, r := range rows {
		xys[i] = plotter.XY{X: r.GMACs, Y: 100 * r.AccuracyTop1}
	}
	return xys
}

// addFront draws a wide grey line through the rows that no other beats, beneath all else, and returns
// its place in the legend, after the methods. A front of one row is no front.
func (f *Figure) addFront(front []result.Row) []legendEntry {
	if len(front) < 2 {
		return nil
	}
	style := draw.LineStyle{Color: color.NRGBA{0xD0, 0xD0, 0xD0, 0xFF}, Width: 7}
	band := &plotter.Line{XYs: points(front), LineStyle: style}
	f.Plot.Add(band)
	return []legendEntry{{"Pareto front", []plot.Thumbnailer{band}}}
}

// addBase draws a base model as a black star, its accuracy as a dashed line over the whole width.
func (f *Figure) addBase(name string, rows []result.Row, index int) {
	style := draw.LineStyle{Color: ink, Width: 0.8, Dashes: []vg.Length{3, 2}}
	if index > 0 {
		style.Dashes = []vg.Length{1, vg.Length(1 + index)}
	}
	level := plotter.NewFunction(func(float64) float64 { return 100 * meanAccuracy(rows) })
	level.LineStyle = style
	level.Samples = 2
	f.Plot.Add(level, intervals(rows, ink))
	scatter := &plotter.Scatter{XYs: points(rows), GlyphStyle: draw.GlyphStyle{Color: ink, Radius: 5, Shape: star{}}}
	f.Plot.Add(scatter)
	f.legend = append(f.legend, legendEntry{name, []plot.Thumbnailer{level, scatter}})
}

// addSeries draws the points of a method, joined in order of GMACs; where several rows have the
// same GMACs (seeds), the line goes through their mean.
func (f *Figure) addSeries(name string, rows []result.Row, index int) {
	rows = slices.SortedStableFunc(slices.Values(rows), func(a, b result.Row) int { return cmp.Compare(a.GMACs, b.GMACs) })
	colour := colours[index%len(colours)]
	line := &plotter.Line{LineStyle: draw.LineStyle{Color: colour, Width: 1.5}}
	for same := range chunkByGMACs(rows) {
		line.XYs = append(line.XYs, plotter.XY{X: same[0].GMACs, Y: 100 * meanAccuracy(same)})
	}
	scatter := &plotter.Scatter{
		XYs:        points(rows),
		GlyphStyle: draw.GlyphStyle{Color: colour, Radius: 3.5, Shape: glyphs[index%len(glyphs)]},
	}
	f.Plot.Add(intervals(rows, colour), line, scatter)
	f.legend = append(f.legend, legendEntry{name, []plot.Thumbnailer{line, scatter}})
}

// chunkByGMACs yields the runs of sorted rows with the same GMACs.
func chunkByGMACs(rows []result.Row) func(yield func([]result.Row) bool) {
	return func(yield func([]result.Row) bool) {
		for start, i := 0, 1; i <= len(rows); i++ {
			if i == len(rows) || rows[i].GMACs != rows[start].GMACs {
				if !yield(rows[start:i]) {
					return
				}
				start = i
			}
		}
	}
}

func meanAccuracy(rows []result.Row) float64 {
	sum := 0.0
	for _, r := range rows {
		sum += r.AccuracyTop1
	}
	return sum / float64(len(rows))
}

// intervals draws the 95% interval of each accuracy as a thin bar; none where samples are unknown.
func intervals(rows []result.Row, colour color.NRGBA) *plotter.YErrorBars {
	colour.A = 0x88
	bars := &plotter.YErrorBars{LineStyle: draw.LineStyle{Color: colour, Width: 0.7}, CapWidth: 3.5}
	for _, r := range rows {
		if r.Samples == 0 {
			continue
		}
		low, high := result.Wilson(r.AccuracyTop1, r.Samples)
		bars.XYs = append(bars.XYs, points([]result.Row{r})...)
		bars.YErrors = append(bars.YErrors, struct{ Low, High float64 }{
			100 * (r.AccuracyTop1 - low), 100 * (high - r.AccuracyTop1),
		})
	}
	return bars
}

// padAxis widens an axis by 6% of its range at both ends, so that nothing at the border is cut, and
// to the least range at least, so that rounding is not blown up to a trend.
func padAxis(axis *plot.Axis, least float64) {
	pad := max(0.06*(axis.Max-axis.Min), (least-(axis.Max-axis.Min))/2)
	axis.Min -= pad
	axis.Max += pad
}

// describe puts the picture in words.
func describe(rows []result.Row, series []string) string {
	low := slices.MinFunc(rows, func(a, b result.Row) int { return cmp.Compare(a.AccuracyTop1, b.AccuracyTop1) })
	high := slices.MaxFunc(rows, func(a, b result.Row) int { return cmp.Compare(a.AccuracyTop1, b.AccuracyTop1) })
	few := slices.MinFunc(rows, func(a, b result.Row) int { return cmp.Compare(a.GMACs, b.GMACs) })
	many := slices.MaxFunc(rows, func(a, b result.Row) int { return cmp.Compare(a.GMACs, b.GMACs) })
	return fmt.Sprintf("Top-1 accuracy over GMACs of %s: %d points, %.1f%% to %.1f%%, %.3g to %.3g GMACs",
		strings.Join(series, ", "), len(rows), 100*low.AccuracyTop1, 100*high.AccuracyTop1, few.GMACs, many.GMACs)
}
