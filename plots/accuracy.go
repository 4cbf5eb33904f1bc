package plots

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tokenfuse/lib/result"
)

// axis is what accuracy is drawn over.
type axis struct {
	label, unit string
	of          func(result.Row) float64
	// costs makes of a value what is better when less.
	costs func(value float64) float64
	// spread gives the ends of a horizontal interval; nil, there is none.
	spread func(result.Row) (low, high float64)
}

// at is the place of a setting: its means.
func (a axis) at(s setting) plotter.XY {
	mean, _, _, _ := s.accuracy()
	return plotter.XY{X: s.mean(a.of), Y: mean}
}

// intervalEntries say in a legend what the thin bars are, where there are any.
func (a axis) intervalEntries(rows []result.Row) (entries []legendEntry) {
	style := draw.LineStyle{Color: ink, Width: 0.7}
	if slices.ContainsFunc(settingsOf(rows), func(s setting) bool { _, _, _, known := s.accuracy(); return known }) {
		entries = append(entries, legendEntry{"95% interval", []plot.Thumbnailer{upright{style}}})
	}
	wide := func(r result.Row) bool { low, high := a.spread(r); return low < high }
	if a.spread != nil && slices.ContainsFunc(rows, wide) {
		entries = append(entries, legendEntry{"quartiles", []plot.Thumbnailer{whisker{style}}})
	}
	return entries
}

func accuracyOver(rows []result.Row, x axis) *Figure {
	p := newPlot()
	p.X.Label.Text = x.label
	p.Y.Label.Text = "Top-1 accuracy (%)"
	addGrid(p)
	figure := &Figure{Plot: p, Width: TextWidth}
	front := figure.addFront(settingsOf(rows), x)
	lines := linesOf(rows)
	for _, l := range lines {
		if l.base() {
			figure.addBase(l, x)
		} else {
			figure.addSeries(l, x)
		}
	}
	figure.legend = append(figure.legend, front...)
	figure.legend = append(figure.legend, x.intervalEntries(rows)...)
	padAxis(&p.X, 0.1*p.X.Max)
	padAxis(&p.Y, 0.5)
	figure.Height = 3.6*vg.Inch + legendHeight(figure.legend, figure.Width-2*margin)
	figure.Alt = describe(rows, lines, x)
	return figure
}

// addFront draws a wide grey line through the settings that no other beats, beneath all else, and
// returns its place in the legend, after the methods. A front of one setting is no front.
func (f *Figure) addFront(settings []setting, x axis) []legendEntry {
	means := make([]result.Row, len(settings))
	values := map[float64]float64{}
	for i, s := range settings {
		value := s.mean(x.of)
		means[i] = result.Row{GMACs: x.costs(value), AccuracyTop1: s.mean(func(r result.Row) float64 { return r.AccuracyTop1 })}
		values[means[i].GMACs] = value
	}
	front := result.Pareto(means)
	if len(front) < 2 {
		return nil
	}
	band := &plotter.Line{LineStyle: draw.LineStyle{Color: grey(0xD0), Width: 7}}
	for _, r := range front {
		band.XYs = append(band.XYs, plotter.XY{X: values[r.GMACs], Y: 100 * r.AccuracyTop1})
	}
	f.Plot.Add(band)
	return []legendEntry{{"Pareto front", []plot.Thumbnailer{band}}}
}

// addBase draws a base model as a black star, its accuracy as a dashed line over the whole width.
func (f *Figure) addBase(l line, x axis) {
	style := draw.LineStyle{Color: ink, Width: 0.8, Dashes: []vg.Length{3, 2}}
	if l.index > 0 {
		style.Dashes = []vg.Length{1, vg.Length(1 + l.index)}
	}
	mean := 0.0
	for _, s := range l.settings {
		mean += x.at(s).Y / float64(len(l.settings))
	}
	level := plotter.NewFunction(func(float64) float64 { return mean })
	level.LineStyle = style
	level.Samples = 2
	f.Plot.Add(level)
	scatter := f.addPoints(l.settings, x, draw.GlyphStyle{Color: ink, Radius: 5, Shape: star{}})
	f.legend = append(f.legend, legendEntry{l.name, []plot.Thumbnailer{level, scatter}})
}

// addSeries draws the settings of a method, joined in order along the axis.
func (f *Figure) addSeries(l line, x axis) {
	settings := l.along(x.of)
	style, glyph := l.style()
	glyph.Radius = 3.5
	joined := &plotter.Line{LineStyle: style}
	for _, s := range settings {
		joined.XYs = append(joined.XYs, x.at(s))
	}
	f.Plot.Add(joined)
	scatter := f.addPoints(settings, x, glyph)
	f.legend = append(f.legend, legendEntry{l.name, []plot.Thumbnailer{joined, scatter}})
}

// addPoints draws settings at their means, with intervals, and their seeds as small points.
func (f *Figure) addPoints(settings []setting, x axis, style draw.GlyphStyle) *plotter.Scatter {
	colour := color.NRGBAModel.Convert(style.Color).(color.NRGBA)
	colour.A = 0x88
	means := &plotter.Scatter{GlyphStyle: style}
	seeds := &plotter.Scatter{GlyphStyle: draw.GlyphStyle{Color: colour, Radius: 1.3, Shape: draw.CircleGlyph{}}}
	for _, s := range settings {
		means.XYs = append(means.XYs, x.at(s))
		if len(s) > 1 {
			for _, r := range s {
				seeds.XYs = append(seeds.XYs, plotter.XY{X: x.of(r), Y: 100 * r.AccuracyTop1})
			}
		}
	}
	f.Plot.Add(intervals(settings, x, colour))
	if x.spread != nil {
		f.Plot.Add(spreads(settings, x, colour))
	}
	if len(seeds.XYs) > 0 {
		f.Plot.Add(seeds)
	}
	f.Plot.Add(means)
	return means
}

// intervals draws the 95% interval of each accuracy as a thin bar; none where it is not known.
func intervals(settings []setting, x axis, colour color.NRGBA) *plotter.YErrorBars {
	bars := &plotter.YErrorBars{LineStyle: draw.LineStyle{Color: colour, Width: 0.7}, CapWidth: 3.5}
	for _, s := range settings {
		mean, low, high, known := s.accuracy()
		if known {
			bars.XYs = append(bars.XYs, x.at(s))
			bars.YErrors = append(bars.YErrors, struct{ Low, High float64 }{mean - low, high - mean})
		}
	}
	return bars
}

// spreads draws the horizontal interval of each setting.
func spreads(settings []setting, x axis, colour color.NRGBA) *plotter.XErrorBars {
	bars := &plotter.XErrorBars{LineStyle: draw.LineStyle{Color: colour, Width: 0.7}, CapWidth: 3.5}
	for _, s := range settings {
		low := s.mean(func(r result.Row) float64 { low, _ := x.spread(r); return low })
		high := s.mean(func(r result.Row) float64 { _, high := x.spread(r); return high })
		if low < high {
			at := x.at(s)
			bars.XYs = append(bars.XYs, at)
			bars.XErrors = append(bars.XErrors, struct{ Low, High float64 }{at.X - low, high - at.X})
		}
	}
	return bars
}

// addGrid draws faint lines at the ticks, beneath all else.
func addGrid(p *plot.Plot) {
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = faint, faint
	p.Add(grid)
}

// padAxis widens an axis by 6% of its range at both ends, so that nothing at the border is cut, and
// to the least range at least, so that rounding is not blown up to a trend.
func padAxis(axis *plot.Axis, least float64) {
	pad := max(0.06*(axis.Max-axis.Min), (least-(axis.Max-axis.Min))/2)
	axis.Min -= pad
	axis.Max += pad
}

// describe puts the picture in words.
func describe(rows []result.Row, lines []line, x axis) string {
	accuracyLow, accuracyHigh := spanOf(rows, func(r result.Row) float64 { return 100 * r.AccuracyTop1 })
	low, high := spanOf(rows, x.of)
	return fmt.Sprintf("Top-1 accuracy over %s of %s: %d points, %.1f%% to %.1f%%, %s to %s %s",
		x.unit, strings.Join(namesOf(lines), ", "), len(settingsOf(rows)), accuracyLow, accuracyHigh, short(low), short(high), x.unit)
}

// short writes a number with three digits, or whole.
func short(value float64) string {
	if value >= 1000 {
		return fmt.Sprintf("%.0f", value)
	}
	return fmt.Sprintf("%.3g", value)
}

// spanOf returns the least and the greatest of a number of the rows.
func spanOf(rows []result.Row, of func(result.Row) float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, r := range rows {
		low, high = min(low, of(r)), max(high, of(r))
	}
	return low, high
}
