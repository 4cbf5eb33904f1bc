package plots

import (
	"cmp"
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tokenfuse/lib/result"
)

// Scale draws what rows of `bench` cost over the size of the images, or where all are of one size over the
// batch, both axes logarithmic: on the left the time of an image, on the right, where it was measured, the
// most memory that a process needed. A straight line is a power of the size, the steeper the higher. Each
// method, setting, dtype and, over the size, batch is a line of its own, base models black.
func Scale(rows []result.Row) (*Figure, error) {
	var timed []result.Row
	for _, r := range rows {
		if side(r) > 0 && r.ImagesPerSecond > 0 {
			timed = append(timed, r)
		}
	}
	if len(timed) == 0 {
		return nil, errors.New("plots: no rows with an image size and a speed: pass rows of `bench`")
	}
	over := overSize
	if sameSize := func(r result.Row) bool { return side(r) != side(timed[0]) }; !slices.ContainsFunc(timed, sameSize) {
		over = overBatch
	}
	slices.SortStableFunc(timed, func(a, b result.Row) int { return cmp.Compare(over.of(a), over.of(b)) })
	lines, order := over.lines(timed)
	time := over.panel("ms per image", timed)
	memory := over.panel("Peak memory (GiB)", timed)
	bases, others := 0, 0
	for _, name := range order {
		index, base := others, lines[name][0].Method == result.None
		if base {
			index = bases
			bases++
		} else {
			others++
		}
		time.addScale(name, over.points(lines[name], func(r result.Row) float64 { return 1000 / r.ImagesPerSecond }), index, base)
		memory.addScale(name, over.points(lines[name], func(r result.Row) float64 { return r.PeakMebibytes / 1024 }), index, base)
	}
	panels := []*Figure{time}
	if len(memory.legend) > 0 {
		panels = append(panels, memory)
	}
	for _, panel := range panels {
		panel.Plot.Y.Min, panel.Plot.Y.Max = panel.Plot.Y.Min/1.2, panel.Plot.Y.Max*1.2
		panel.Height = 2.6*vg.Inch + legendHeight(panel.legend, panel.Width-2*margin)
	}
	first, last := timed[0], timed[len(timed)-1]
	figure := Strip(panels...)
	figure.Alt = fmt.Sprintf("Cost over %s from %s to %s: %s", over.alt, over.said(first), over.said(last), strings.Join(order, "; "))
	return figure.from(timed), nil
}

// scaleAxis is what cost is drawn over.
type scaleAxis struct {
	label, alt string
	batch      bool // no name of a line tells the batch then
	of         func(result.Row) float64
	said       func(result.Row) string
}

var (
	overSize  = scaleAxis{"Image size (pixels)", "image size", false, side, imageSizeOf}
	overBatch = scaleAxis{"Batch (images)", "batch", true,
		func(r result.Row) float64 { return float64(r.Batch) },
		func(r result.Row) string { return strconv.Itoa(r.Batch) }}
)

// lines groups rows by what is one line, in the order in which the lines appear.
func (over scaleAxis) lines(rows []result.Row) (lines map[string][]result.Row, order []string) {
	named := slices.Clone(rows)
	for i := range named {
		if over.batch {
			named[i].Batch = 0
		}
	}
	lines = map[string][]result.Row{}
	for i, name := range benchNames(named) {
		if lines[name] == nil {
			order = append(order, name)
		}
		lines[name] = append(lines[name], rows[i])
	}
	return lines, order
}

// points are one number of the rows that have it.
func (over scaleAxis) points(rows []result.Row, of func(result.Row) float64) (xys plotter.XYs) {
	for _, r := range rows {
		if v := of(r); v > 0 {
			xys = append(xys, plotter.XY{X: over.of(r), Y: v})
		}
	}
	return xys
}

// side is that of a square as large as the row's images, in pixels; 0 where it is not known.
func side(r result.Row) float64 {
	var height, width int
	if n, err := fmt.Sscanf(r.ImageSize, "%dx%d", &height, &width); n != 2 || err != nil {
		return 0
	}
	return math.Sqrt(float64(height) * float64(width))
}

func (over scaleAxis) panel(label string, rows []result.Row) *Figure {
	p := newPlot()
	// gonum centres an axis label by the values, not by their logarithms: a long one costs height.
	p.X.Label.Text, p.Y.Label.Text = over.label, label
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Scale = plot.LogScale{}
	}
	var sizes []plot.Tick
	for _, r := range rows {
		tick := plot.Tick{Value: over.of(r), Label: strconv.Itoa(int(math.Round(over.of(r))))}
		if !slices.Contains(sizes, tick) {
			sizes = append(sizes, tick)
		}
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.ConstantTicks(sizes), powers{}
	addGrid(p)
	p.X.Min, p.X.Max = over.of(rows[0])/1.05, over.of(rows[len(rows)-1])*1.05
	return &Figure{Plot: p, Width: TextWidth / 2}
}

// addScale draws a line; without any points, nothing.
func (f *Figure) addScale(name string, xys plotter.XYs, index int, base bool) {
	if len(xys) == 0 {
		return
	}
	colour := colours[index%len(colours)]
	style := draw.LineStyle{Color: colour, Width: 1.5}
	if base {
		colour = color.NRGBA(ink)
		style = draw.LineStyle{Color: colour, Width: 1.5, Dashes: []vg.Length{vg.Points(4), vg.Points(3)}}
	}
	line := &plotter.Line{XYs: xys, LineStyle: style}
	scatter := &plotter.Scatter{XYs: xys, GlyphStyle: draw.GlyphStyle{Color: colour, Radius: 2.5, Shape: glyphs[index%len(glyphs)]}}
	f.Plot.Add(line, scatter)
	f.legend = append(f.legend, legendEntry{name, []plot.Thumbnailer{line, scatter}})
}

// powers marks a logarithmic axis at 1, 2 and 5 times the powers of ten, a short one evenly.
type powers struct{}

// Ticks implements plot.Ticker.
func (powers) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for power := math.Floor(math.Log10(low)); power <= math.Log10(high); power++ {
		for _, multiple := range []float64{1, 2, 5} {
			if v := multiple * math.Pow(10, power); v >= low && v <= high {
				ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', max(0, -int(power)), 64)})
			}
		}
	}
	if len(ticks) < 2 {
		return plot.DefaultTicks{}.Ticks(low, high)
	}
	return ticks
}
