package plots

import (
	"cmp"
	"errors"
	"fmt"
	"image/color"
	"math/bits"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tokenfuse/lib/result"
)

// TokenSizes draws how many tokens of 1, 2 to 3, 4 to 7 and more patches an image has behind the last block,
// of the foreground on the left and of the background on the right: bars side by side for the settings,
// averaged over seeds. It takes the rows in which that was measured (result.Foreground); rows of several
// datasets or splits are an error.
func TokenSizes(rows []result.Row) (*Figure, error) {
	var known []result.Row
	for _, r := range rows {
		if len(r.ForegroundTokens)+len(r.BackgroundTokens) > 0 && !r.Failed() {
			known = append(known, r)
		}
	}
	if len(known) == 0 {
		return nil, errors.New("plots: no rows with foreground_tokens: pass rows of a foreground study")
	}
	known, err := evaluated(known)
	if err != nil {
		return nil, err
	}
	foreground, background := &sizeBars{}, &sizeBars{}
	for _, l := range linesOf(known) {
		for k, s := range l.settings {
			name, colour := l.name, lighter(l.colour(), k, len(l.settings))
			if len(l.settings) > 1 {
				name = strings.TrimSpace(name + " " + strength(s[0]))
			}
			foreground.add(name, colour, meanCounts(s, func(r result.Row) []float64 { return r.ForegroundTokens }))
			background.add(name, colour, meanCounts(s, func(r result.Row) []float64 { return r.BackgroundTokens }))
		}
	}
	left, right := foreground.figure(TextWidth/2), background.figure(TextWidth/2)
	left.Plot.Title.Text, right.Plot.Title.Text = "Foreground", "Background"
	figure := Strip(left, right)
	figure.shareLegend()
	figure.Alt = fmt.Sprintf("How many tokens of each size an image has; foreground: %s; background: %s", foreground, background)
	return figure.from(known), nil
}

// GroupSizes draws how many tokens hold 1, 2 to 3, 4 to 7 and more patches of an image: bars side by side
// for its layers, or for whatever the groups stand for.
func GroupSizes(layers ...Groups) (*Figure, error) {
	if len(layers) == 0 {
		return nil, errors.New("plots: no groups to draw: pass those of one layer at least")
	}
	bars := &sizeBars{}
	for i, g := range layers {
		if err := g.validate(); err != nil {
			return nil, err
		}
		name := g.Title
		if name == "" {
			name = fmt.Sprintf("groups %d", i+1)
		}
		var counts []float64
		for _, patches := range g.members() {
			bin := bits.Len(uint(len(patches))) - 1
			for len(counts) <= bin {
				counts = append(counts, 0)
			}
			counts[bin]++
		}
		bars.add(name, lighter(colours[0], len(layers)-1-i, len(layers)), counts)
	}
	figure := bars.figure(TextWidth)
	figure.Alt = fmt.Sprintf("How many tokens of each size an image has; %s", bars)
	return figure, nil
}

// lighter is the k-th of n shades of a colour, the first one full.
func lighter(colour color.NRGBA, k, n int) color.NRGBA {
	return blend(colour, grey(0xFF), 0.75*float64(k)/float64(max(n, 2)))
}

// meanCounts averages counts over seeds; missing ones are 0.
func meanCounts(s setting, of func(result.Row) []float64) []float64 {
	var counts []float64
	for _, r := range s {
		for bin, n := range of(r) {
			for len(counts) <= bin {
				counts = append(counts, 0)
			}
			counts[bin] += n / float64(len(s))
		}
	}
	return counts
}

// sizeBars counts the tokens of each size, of each name.
type sizeBars struct {
	names   []string
	colours []color.NRGBA
	counts  [][]float64
	bins    int
}

func (b *sizeBars) add(name string, colour color.NRGBA, counts []float64) {
	b.names, b.colours, b.counts = append(b.names, name), append(b.colours, colour), append(b.counts, counts)
	b.bins = max(b.bins, len(counts))
}

// String says how many tokens there are of each size.
func (b *sizeBars) String() string {
	parts := make([]string, len(b.names))
	for i, name := range b.names {
		var bins []string
		for bin, n := range b.counts[i] {
			if n > 0 {
				bins = append(bins, fmt.Sprintf("%.3g of %s", n, binName(bin)))
			}
		}
		parts[i] = name + " " + strings.Join(bins, ", ")
	}
	return strings.Join(parts, "; ")
}

// binName is the sizes of a bin.
func binName(bin int) string {
	if bin == 0 {
		return "1"
	}
	return fmt.Sprintf("%d–%d", 1<<bin, 2<<bin-1)
}

func (b *sizeBars) figure(width vg.Length) *Figure {
	p := newPlot()
	p.X.Label.Text, p.Y.Label.Text = "Patches in a token", "Tokens per image"
	grid := plotter.NewGrid()
	grid.Vertical.Width, grid.Horizontal.Color = 0, faint
	p.Add(grid)
	figure := &Figure{Plot: p, Width: width}
	p.Add(b)
	for i, name := range b.names {
		figure.legend = append(figure.legend, legendEntry{name, []plot.Thumbnailer{swatch{b.colours[i]}}})
	}
	var ticks plot.ConstantTicks
	for bin := range b.bins {
		ticks = append(ticks, plot.Tick{Value: float64(bin), Label: binName(bin)})
	}
	p.X.Tick.Marker = ticks
	p.X.Tick.LineStyle.Color = color.Transparent // its room stays
	p.X.Min, p.X.Max = -0.5, float64(max(b.bins, 1))-0.5
	highest := 0.0
	for _, n := range slices.Concat(b.counts...) {
		highest = max(highest, n)
	}
	p.Y.Min, p.Y.Max = 0, 1.05*cmp.Or(highest, 1) // where all was dropped, an empty plot
	figure.Height = 2.4*vg.Inch + legendHeight(figure.legend, figure.Width-2*margin)
	return figure
}

// Plot implements plot.Plotter.
func (b *sizeBars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	wide := 0.8 / float64(len(b.names))
	for i, counts := range b.counts {
		c.SetColor(b.colours[i])
		for bin, n := range counts {
			left := float64(bin) - 0.4 + wide*float64(i)
			c.Fill(vg.Rectangle{Min: vg.Point{X: x(left), Y: y(0)}, Max: vg.Point{X: x(left + 0.92*wide), Y: y(n)}}.Path())
		}
	}
}
