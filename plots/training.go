package plots

import (
	"errors"
	"fmt"
	"image/color"
	"maps"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tokenfuse/lib/result"
)

// Training draws the log of a training run over its epochs, as far as it has come: on the left the loss,
// and, where it has several, its parts; on the right the accuracy on the test images, with that of
// the weights' moving average where there is one.
func Training(rows []result.TrainingRow) (*Figure, error) {
	if len(rows) == 0 {
		return nil, errors.New("plots: no rows to draw: pass the log of a training run")
	}
	loss := trainingPanel("Loss")
	parts := slices.Sorted(maps.Keys(rows[0].Parts))
	if len(parts) > 1 {
		for i, name := range parts {
			loss.addCurve(name, rows, 1+i, func(r result.TrainingRow) (float64, bool) { v, ok := r.Parts[name]; return v, ok })
		}
	}
	loss.addCurve("loss", rows, 0, func(r result.TrainingRow) (float64, bool) { return r.Loss, true })
	accuracy := trainingPanel("Top-1 accuracy (%)")
	accuracy.addCurve("test images", rows, 0, func(r result.TrainingRow) (float64, bool) { return percent(r.AccuracyTop1) })
	accuracy.addCurve("average of weights", rows, 1, func(r result.TrainingRow) (float64, bool) { return percent(r.EMAAccuracyTop1) })
	last := rows[len(rows)-1]
	for _, panel := range []struct {
		*Figure
		least float64 // that the axis spans
	}{{loss, 0.1}, {accuracy, 1}} {
		panel.Plot.X.Min, panel.Plot.X.Max = 0, max(last.Epoch, 1e-9)
		if len(panel.legend) == 0 { // no accuracy yet
			panel.Plot.Y.Min, panel.Plot.Y.Max = 0, 1
		}
		padAxis(&panel.Plot.Y, panel.least)
		panel.Height = 2.4*vg.Inch + legendHeight(panel.legend, panel.Width-2*margin)
	}
	figure := Strip(loss, accuracy)
	figure.Alt = fmt.Sprintf("Training to epoch %.3g: loss %.3f", last.Epoch, last.Loss)
	for _, r := range slices.Backward(rows) {
		if v, ok := percent(r.AccuracyTop1); ok {
			figure.Alt += fmt.Sprintf(", top-1 accuracy %.2f%% at epoch %.3g", v, r.Epoch)
			break
		}
	}
	return figure.from(rows), nil
}

func trainingPanel(label string) *Figure {
	p := newPlot()
	p.X.Label.Text, p.Y.Label.Text = "Epoch", label
	addGrid(p)
	return &Figure{Plot: p, Width: TextWidth / 2}
}

// addCurve draws one number of the rows that have it; without any, nothing.
func (f *Figure) addCurve(name string, rows []result.TrainingRow, index int, of func(result.TrainingRow) (float64, bool)) {
	var xys plotter.XYs
	for _, r := range rows {
		if v, ok := of(r); ok {
			xys = append(xys, plotter.XY{X: r.Epoch, Y: v})
		}
	}
	if len(xys) == 0 {
		return
	}
	colour := color.NRGBA(ink)
	if index > 0 {
		colour = colours[(index-1)%len(colours)]
	}
	line := &plotter.Line{XYs: xys, LineStyle: draw.LineStyle{Color: colour, Width: 1.5}}
	thumbnails := []plot.Thumbnailer{line}
	f.Plot.Add(line)
	if len(xys) <= 20 { // beyond, glyphs would hide the line
		scatter := &plotter.Scatter{XYs: xys, GlyphStyle: draw.GlyphStyle{Color: colour, Radius: 2.5, Shape: glyphs[index%len(glyphs)]}}
		f.Plot.Add(scatter)
		thumbnails = append(thumbnails, scatter)
	}
	f.legend = append(f.legend, legendEntry{name, thumbnails})
}

func percent(share *float64) (float64, bool) {
	if share == nil {
		return 0, false
	}
	return 100 * *share, true
}
