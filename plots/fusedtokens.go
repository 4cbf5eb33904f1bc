package plots

import (
	"errors"
	"fmt"
	"image"
	"strings"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// panelsPerRow keeps a panel of 28x28 pixels with 7x7 patches readable at text width.
const panelsPerRow = 4

// FusedTokens shows an image and, for each of layers, which of its patches are one token by then:
// patches of a token have its colour and a common outline, patches alone stay as they are, dropped
// ones are hatched. A token's colour is its mean colour; on a greyscale image it is a tint, kept
// from layer to layer by the largest part of the token. Longer series go on in the next row.
func FusedTokens(img image.Image, layers ...Groups) (*Figure, error) {
	if img == nil || img.Bounds().Empty() {
		return nil, errors.New("plots: the image is empty: pass one with pixels")
	}
	side := TextWidth / vg.Length(min(panelsPerRow, max(2, 1+len(layers))))
	side = min(side, 2.2*vg.Inch)

	panels := []*Figure{panel(enlarge(img), nil, Groups{}, side, "original")}
	tints := newTints(img)
	alts := make([]string, len(layers))
	for i, g := range layers {
		if err := g.validate(); err != nil {
			return nil, err
		}
		title := fmt.Sprintf("%d tokens", g.Tokens())
		if g.Title != "" {
			title = g.Title + ": " + title
		}
		alts[i] = title
		panels = append(panels, panel(tints.paint(img, g), newBorders(g), g, side, title))
	}
	var rows []*Figure
	for len(panels) > 0 {
		n := min(panelsPerRow, len(panels))
		rows = append(rows, Strip(panels[:n]...))
		panels = panels[n:]
	}
	figure := rows[0]
	if len(rows) > 1 {
		figure = Stack(rows...)
	}
	figure.Alt = "An image, and which of its patches became one token"
	if len(alts) > 0 {
		figure.Alt += "; " + strings.Join(alts, ", ")
	}
	return figure, nil
}

// panel is an image of the given width with lines upon it and a title, without axes.
func panel(img image.Image, lines *borders, g Groups, width vg.Length, title string) *Figure {
	p := newPlot()
	p.HideAxes()
	p.Title.Text = title
	p.Title.TextStyle.Font = sans(labelSize)
	if needs, has := p.Title.TextStyle.Width(title), width-2*margin; needs > has {
		p.Title.TextStyle.Font.Size *= has / needs
	}
	cols, rows := float64(max(1, g.Cols)), float64(max(1, g.Rows))
	p.Add(plotter.NewImage(img, 0, 0, cols, rows))
	if lines != nil {
		p.Add(lines)
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, cols, 0, rows
	titleHeight := p.Title.TextStyle.Rectangle(title).Size().Y + p.Title.Padding
	bounds := img.Bounds()
	shape := vg.Length(bounds.Dy()) / vg.Length(bounds.Dx())
	return &Figure{Plot: p, Width: width, Height: shape*(width-2*margin) + titleHeight + 2*margin}
}
