package plots

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tokenfuse/lib/result"
)

// Foreground draws what methods make of an image's foreground, over GMACs: how much of it is kept (dashed,
// how much of all patches), how pure tokens are and how pure those of the foreground, and how many patches
// are in a token of the foreground (dashed, of the background). result.Foreground defines each. Intervals
// are of 95%: Student's over seeds, of one seed 1.96 standard errors over images. It takes the rows in
// which that was measured, and base models only where that was; failed rows are left out.
func Foreground(rows []result.Row) (*Figure, error) {
	var known []result.Row
	for _, r := range rows {
		if r.ForegroundKept > 0 && !r.Failed() {
			known = append(known, r)
		}
	}
	if len(known) == 0 {
		return nil, errors.New("plots: no rows with foreground_kept: pass rows of a foreground study")
	}
	known, err := evaluated(known)
	if err != nil {
		return nil, err
	}
	lines := linesOf(known)
	kept := aspectPanel("Kept (dashed: of all patches)", "Share (%)", lines,
		aspect{least: 10, most: 100, of: func(r result.Row) (float64, float64) { return 100 * r.ForegroundKept, 100 * r.ForegroundKeptError }},
		aspect{least: 10, most: 100, dashed: true, of: func(r result.Row) (float64, float64) { return 100 * r.PatchesKept, 100 * r.PatchesKeptError }})
	purity := aspectPanel("Purity of all tokens", "Patches of the majority (%)", lines,
		aspect{least: 10, most: 100, of: func(r result.Row) (float64, float64) { return 100 * r.GroupPurity, 100 * r.GroupPurityError }})
	own := aspectPanel("Purity of foreground tokens", "Foreground in them (%)", lines,
		aspect{least: 10, most: 100, of: func(r result.Row) (float64, float64) { return 100 * r.ForegroundPurity, 100 * r.ForegroundPurityError }})
	sizes := aspectPanel("Size of tokens (dashed: background)", "Patches", lines,
		aspect{least: 0.5, most: math.Inf(1), of: func(r result.Row) (float64, float64) { return r.ForegroundSize, r.ForegroundSizeError }},
		aspect{least: 0.5, most: math.Inf(1), dashed: true, of: func(r result.Row) (float64, float64) { return r.BackgroundSize, r.BackgroundSizeError }})
	figure := Stack(Strip(kept, purity), Strip(own, sizes))
	figure.addLegend(foregroundLegend(lines)...)
	figure.Alt = describeForeground(lines)
	return figure.from(known), nil
}

// aspect is a number of a row with its standard error.
type aspect struct {
	of     func(result.Row) (mean, standardError float64)
	least  float64 // range that its axis has
	most   float64 // that it can be
	dashed bool
}

// interval returns the mean over seeds and half of its 95% interval; 0 where that is not known.
func (a aspect) interval(s setting) (mean, half float64) {
	if len(s) == 1 {
		mean, e := a.of(s[0])
		return mean, 1.96 * e
	}
	values := make([]float64, len(s))
	for i, r := range s {
		values[i], _ = a.of(r)
	}
	mean, _, high := result.Student(values)
	return mean, high - mean
}

func aspectPanel(title, label string, lines []line, aspects ...aspect) *Figure {
	p := newPlot()
	p.Title.Text = title
	p.Title.TextStyle.Font = sans(labelSize)
	p.X.Label.Text, p.Y.Label.Text = "GMACs per image", label
	addGrid(p)
	figure := &Figure{Plot: p, Width: TextWidth / 2, Height: 2.3 * vg.Inch}
	for _, a := range slices.Backward(aspects) { // dashed ones beneath
		for _, l := range lines {
			figure.addAspect(l, a)
		}
	}
	padAxis(&p.X, 0.1*p.X.Max)
	padAxis(&p.Y, aspects[0].least)
	p.Y.Tick.Marker = ticksUpTo(aspects[0].most)
	return figure
}

// ticksUpTo marks no value beyond what there can be, though the axis goes on a little.
type ticksUpTo float64

// Ticks implements plot.Ticker.
func (most ticksUpTo) Ticks(low, high float64) []plot.Tick {
	return slices.DeleteFunc(roundTicks{}.Ticks(low, high), func(t plot.Tick) bool { return t.Value > float64(most) })
}

func (f *Figure) addAspect(l line, a aspect) {
	style, glyph := l.style()
	style.Width = 1.2
	if a.dashed {
		style.Dashes, style.Width, glyph.Radius = []vg.Length{2, 2}, 0.8, 1.5
	}
	joined := &plotter.Line{LineStyle: style}
	bars := &plotter.YErrorBars{LineStyle: draw.LineStyle{Color: style.Color, Width: 0.7}, CapWidth: 3}
	for _, s := range l.along(gmacs) {
		mean, half := a.interval(s)
		if mean == 0 { // not measured
			continue
		}
		at := plotter.XY{X: s.mean(gmacs), Y: mean}
		joined.XYs = append(joined.XYs, at)
		if half > 0 {
			bars.XYs = append(bars.XYs, at)
			bars.YErrors = append(bars.YErrors, struct{ Low, High float64 }{half, min(half, a.most-mean)})
		}
	}
	if len(joined.XYs) > 0 {
		f.Plot.Add(joined, bars, &plotter.Scatter{XYs: joined.XYs, GlyphStyle: glyph})
	}
}

func foregroundLegend(lines []line) []legendEntry {
	entries := make([]legendEntry, len(lines))
	for i, l := range lines {
		style, glyph := l.style()
		entries[i] = legendEntry{l.name, []plot.Thumbnailer{&plotter.Line{LineStyle: style}, &plotter.Scatter{GlyphStyle: glyph}}}
	}
	return entries
}

func describeForeground(lines []line) string {
	var parts []string
	low := math.Inf(1)
	for _, l := range lines {
		most := l.along(gmacs)[0]
		low = min(low, most.mean(gmacs))
		parts = append(parts, fmt.Sprintf("%s keeps %.1f%% of it at purity %.1f%%", l.name,
			100*most.mean(func(r result.Row) float64 { return r.ForegroundKept }),
			100*most.mean(func(r result.Row) float64 { return r.ForegroundPurity })))
	}
	return fmt.Sprintf("What becomes of the foreground over GMACs; where each fuses most, down to %.3g GMACs: %s", low, strings.Join(parts, ", "))
}
