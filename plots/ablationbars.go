package plots

import (
	"errors"
	"fmt"
	"image/color"
	"maps"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tokenfuse/lib/result"
)

// AblationBars draws a bar for each way of fusing, in the order of the rows: from the accuracy of the
// base model, a dashed line, to its own, so that a bar's length is what fusing changes, with the 95%
// intervals of FLOPsAccuracy. Rows that fuse more and less become bars of several colours side by side.
// Where all rows are of MCTF and differ in which criteria are on, and in nothing else, they are named after
// those ("similarity + size"). Without a base model bars begin at 0. Rows of several models, datasets or
// splits are an error.
func AblationBars(rows []result.Row) (*Figure, error) {
	rows, err := evaluated(rows)
	if err != nil {
		return nil, err
	}
	var base setting
	var rest []result.Row
	for _, r := range rows {
		switch {
		case r.Model != rows[0].Model:
			return nil, fmt.Errorf("plots: bars of the models %q and %q: draw them apart", rows[0].Model, r.Model)
		case r.Method == result.None:
			base = append(base, r)
		default:
			rest = append(rest, r)
		}
	}
	if len(rest) == 0 {
		return nil, errors.New("plots: no rows but of the base model: pass some that fuse")
	}
	b := newAblation(base, byCriteria(rest))
	return b.figure().from(rows), nil
}

// ablation is what the bars show.
type ablation struct {
	base    setting
	zero    float64 // where bars begin
	lines   []line
	amounts []string // how much is fused, in order of appearance
}

func newAblation(base setting, rows []result.Row) *ablation {
	a := &ablation{base: base, lines: linesOf(rows)}
	if base != nil {
		a.zero, _, _, _ = base.accuracy()
	}
	for _, r := range rows {
		if !slices.Contains(a.amounts, strength(r)) {
			a.amounts = append(a.amounts, strength(r))
		}
	}
	return a
}

// bar is one of the figure's: where it stands, counted from the top, and how thick it is.
type bar struct {
	s             setting
	place, height float64
	colour        color.NRGBA
}

func (a *ablation) bars() []bar {
	var bars []bar
	height := 0.7 / float64(len(a.amounts))
	for i, l := range a.lines {
		for _, s := range l.settings {
			k := slices.Index(a.amounts, strength(s[0]))
			place := float64(i) + height*(float64(k)-float64(len(a.amounts)-1)/2)
			bars = append(bars, bar{s, place, height, colours[k%len(colours)]})
		}
	}
	return bars
}

func (a *ablation) figure() *Figure {
	p := newPlot()
	p.X.Label.Text = "Top-1 accuracy (%)"
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = faint, color.Transparent
	p.Add(grid)
	figure := &Figure{Plot: p, Width: TextWidth}
	bars := a.bars()
	low, high := a.zero, a.zero
	whiskers := &plotter.XErrorBars{LineStyle: draw.LineStyle{Color: ink, Width: 0.8}, CapWidth: 4}
	for _, b := range bars {
		mean, from, to, known := b.s.accuracy()
		low, high = min(low, mean), max(high, mean)
		if known {
			low, high = min(low, from), max(high, to)
			whiskers.XYs = append(whiskers.XYs, plotter.XY{X: mean, Y: -b.place})
			whiskers.XErrors = append(whiskers.XErrors, struct{ Low, High float64 }{mean - from, to - mean})
		}
	}
	p.Add(barsFrom{a.zero, bars}, barValues{bars}, whiskers)
	a.addLegend(figure, whiskers)
	p.X.Min, p.X.Max = low, high
	padAxis(&p.X, 0.5)
	if a.base == nil {
		p.X.Min = 0
	}
	p.Y.Min, p.Y.Max = -float64(len(a.lines))+0.5, 0.5
	p.Y.Tick.Marker = plot.ConstantTicks(a.ticks())
	p.Y.Tick.LineStyle.Color, p.Y.LineStyle.Color = color.Transparent, color.Transparent
	figure.layout = stays
	perLine := max(21, 11*vg.Length(len(a.amounts))+5)
	figure.Height = perLine*vg.Length(len(a.lines)) + 44 + legendHeight(figure.legend, figure.Width-2*margin)
	figure.Alt = a.describe()
	return figure
}

// ticks are the names of the bars, long ones in several lines.
func (a *ablation) ticks() []plot.Tick {
	ticks := make([]plot.Tick, len(a.lines))
	for i, l := range a.lines {
		ticks[i] = plot.Tick{Value: -float64(i), Label: wrap(l.name, 22)}
	}
	return ticks
}

// wrap breaks a text between words into lines of so many letters at most, where it can.
func wrap(text string, letters int) string {
	var lines []string
	for _, word := range strings.Fields(text) {
		last := len(lines) - 1
		if last >= 0 && len(lines[last])+1+len(word) <= letters {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return strings.Join(lines, "\n")
}

func (a *ablation) addLegend(f *Figure, whiskers *plotter.XErrorBars) {
	if len(a.amounts) > 1 {
		for k, amount := range a.amounts {
			f.legend = append(f.legend, legendEntry{amount, []plot.Thumbnailer{swatch{colours[k%len(colours)]}}})
		}
	}
	if a.base != nil {
		style := draw.LineStyle{Color: ink, Width: 0.8, Dashes: []vg.Length{3, 2}}
		level := &plotter.Line{XYs: plotter.XYs{{X: a.zero, Y: 0.5}, {X: a.zero, Y: 0.5 - float64(len(a.lines))}}, LineStyle: style}
		f.Plot.Add(level)
		f.legend = append(f.legend, legendEntry{fmt.Sprintf("base model, %.2f", a.zero), []plot.Thumbnailer{level}})
	}
	if len(whiskers.XYs) > 0 {
		f.legend = append(f.legend, legendEntry{"95% interval", []plot.Thumbnailer{whisker{whiskers.LineStyle}}})
	}
}

func (a *ablation) describe() string {
	var parts []string
	for _, l := range a.lines {
		for _, s := range l.settings {
			mean, _, _, _ := s.accuracy()
			name := l.name
			if len(a.amounts) > 1 {
				name += " " + strength(s[0])
			}
			parts = append(parts, fmt.Sprintf("%s %.2f%%", name, mean))
		}
	}
	text := "Top-1 accuracy of " + strings.Join(parts, ", ")
	if a.base != nil {
		text += fmt.Sprintf("; base model %.2f%%", a.zero)
	}
	return text
}

// byCriteria labels rows of MCTF after the criteria that are on, where that tells their settings apart.
func byCriteria(rows []result.Row) []result.Row {
	labelled := slices.Clone(rows)
	of := map[string]string{} // setting but how much, for each name
	for i, r := range labelled {
		fields := r.Fields()
		maps.DeleteFunc(fields, func(key, _ string) bool { return key == "r" || key == "seed" })
		name := criteria(fields)
		setting := fmt.Sprint(fields)
		if r.Label != "" || name == "" || of[name] != "" && of[name] != setting {
			return rows
		}
		of[name] = setting
		labelled[i].Label = name
	}
	return labelled
}

// criteria names those of MCTF that are on, the published ones and then one's own; empty where the setting
// names none.
func criteria(fields map[string]string) string {
	names := []string{"similarity", "informativeness", "size"}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if name, ok := strings.CutPrefix(key, "tau."); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	var on []string
	named := false
	for _, name := range names {
		tau, ok := fields["tau."+name]
		named = named || ok
		if ok && tau != "0" {
			on = append(on, name)
		}
	}
	if named && len(on) == 0 {
		return "no criterion"
	}
	return strings.Join(on, " + ")
}
