package plots

import (
	"image"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// panelsPerRow keeps a panel of 28x28 pixels with 7x7 patches readable at text width.
const panelsPerRow = 4

// panelSide is the width of each of n panels.
func panelSide(n int) vg.Length {
	return min(TextWidth/vg.Length(min(panelsPerRow, max(2, n))), 2.2*vg.Inch)
}

// inRows puts panels side by side, as many as fit.
func inRows(panels []*Figure) *Figure {
	var rows []*Figure
	for len(panels) > 0 {
		n := min(panelsPerRow, len(panels))
		rows = append(rows, Strip(panels[:n]...))
		panels = panels[n:]
	}
	if len(rows) == 1 {
		return rows[0]
	}
	return Stack(rows...)
}

// panel is an image of the given width with what lies upon it, in patches, and a title; without axes.
func panel(img image.Image, g Groups, width vg.Length, title string, upon ...plot.Plotter) *Figure {
	p := newPlot()
	p.HideAxes()
	p.Title.Text = title
	fitTitle(p, width-2*margin)
	cols, rows := float64(max(1, g.Cols)), float64(max(1, g.Rows))
	p.Add(plotter.NewImage(img, 0, 0, cols, rows))
	p.Add(upon...)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, cols, 0, rows
	bounds := img.Bounds()
	shape := vg.Length(bounds.Dy()) / vg.Length(bounds.Dx())
	return &Figure{Plot: p, Width: width, Height: shape*(width-2*margin) + titleHeight(p) + 2*margin, layout: scales}
}

// fitTitle makes the title as large as the width allows.
func fitTitle(p *plot.Plot, width vg.Length) {
	p.Title.TextStyle.Font = sans(labelSize)
	if needs := p.Title.TextStyle.Width(p.Title.Text); needs > width {
		p.Title.TextStyle.Font.Size *= width / needs
	}
}

// titleHeight is what gonum leaves for a title above a plot.
func titleHeight(p *plot.Plot) vg.Length {
	if p.Title.Text == "" {
		return 0
	}
	return p.Title.TextStyle.Rectangle(p.Title.Text).Size().Y + p.Title.Padding
}
