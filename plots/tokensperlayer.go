package plots

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"tokenfuse/lib/result"
)

// TokensPerLayer draws how many tokens leave each block, protected ones included: a line for each setting,
// averaged over its seeds, those of a method in one colour, base models black. Blocks count from 0, as the
// layers of a fusion setting do. Rows without tokens are left out; rows of several datasets or splits are
// an error.
func TokensPerLayer(rows []result.Row) (*Figure, error) {
	var known []result.Row
	for _, r := range rows {
		if len(r.Tokens) > 0 && !r.Failed() {
			known = append(known, r)
		}
	}
	if len(known) == 0 {
		return nil, errors.New("plots: no rows that say how many tokens leave each block: pass the rows of a run")
	}
	known, err := evaluated(known)
	if err != nil {
		return nil, err
	}
	p := newPlot()
	p.X.Label.Text, p.Y.Label.Text = "Block", "Tokens leaving the block"
	addGrid(p)
	figure := &Figure{Plot: p, Width: TextWidth}
	var alts []string
	depth := 0
	for _, l := range linesOf(known) {
		for k, s := range l.settings {
			name := l.name
			if len(l.settings) > 1 {
				name = strings.TrimSpace(name + " " + strength(s[0]))
			}
			counts := meanTokens(s)
			depth = max(depth, len(counts))
			figure.addTokens(name, counts, l, k)
			alts = append(alts, fmt.Sprintf("%s %.4g", name, counts[len(counts)-1].Y))
		}
	}
	p.X.Min, p.X.Max = -0.3, float64(depth)-0.7
	p.X.Tick.Marker = blocks(depth)
	p.Y.Min = 0
	p.Y.Max *= 1.06
	figure.Height = 2.8*vg.Inch + legendHeight(figure.legend, figure.Width-2*margin)
	figure.Alt = fmt.Sprintf("Tokens that leave each of %d blocks; the last: %s", depth, strings.Join(alts, ", "))
	return figure.from(known), nil
}

// meanTokens returns the tokens that leave each block over the seeds, as far as all say.
func meanTokens(s setting) plotter.XYs {
	depth := len(slices.MinFunc(s, func(a, b result.Row) int { return len(a.Tokens) - len(b.Tokens) }).Tokens)
	counts := make(plotter.XYs, depth)
	for i := range counts {
		counts[i] = plotter.XY{X: float64(i), Y: s.mean(func(r result.Row) float64 { return float64(r.Tokens[i]) })}
	}
	return counts
}

// addTokens draws the amount-th setting of a method: its colour and glyph are the method's, its dashes the
// amount's.
func (f *Figure) addTokens(name string, counts plotter.XYs, l line, amount int) {
	style, glyph := l.style()
	if !l.base() && amount > 0 {
		gap := vg.Length(amount)
		style.Dashes = []vg.Length{max(1, 6-2*gap), 1 + gap}
	}
	joined := &plotter.Line{XYs: counts, LineStyle: style}
	scatter := &plotter.Scatter{XYs: counts, GlyphStyle: glyph}
	f.Plot.Add(joined, scatter)
	f.legend = append(f.legend, legendEntry{name, []plot.Thumbnailer{joined, scatter}})
}

// blocks marks each block, of deep models every second or third.
func blocks(depth int) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for i := 0; i < depth; i += 1 + (depth-1)/16 {
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: strconv.Itoa(i)})
	}
	return ticks
}
