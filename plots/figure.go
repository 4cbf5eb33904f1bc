// Package plots draws the figures of token fusion experiments from plain values, each in one call:
//
//   - from result rows FLOPsAccuracy, ThroughputAccuracy, AblationBars, TauHeatMap, TokensPerLayer,
//     TokenSizes, Foreground, Scale and Speedup; from the log of a training run Training;
//   - from an image and the groups its patches were fused into FusedTokens and, as an animated GIF,
//     AnimateTokens; from the groups alone GroupSizes; from an image and a number for each patch Overlay;
//   - from the pairs of a fusion step Matching.
//
// A Figure wraps plots of gonum/plot, which can be changed as any other, and becomes PNG, SVG or PDF;
// Dark is for dark pages, Column for a column of print, Alt says in words what is to be seen. Colours
// are Okabe and Ito's, told apart by the colour-blind too, and never the only difference.
package plots

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"tokenfuse/lib/whole"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgpdf"
	"gonum.org/v1/plot/vg/vgsvg"
)

const (
	dpi              = 150 // pixels an inch: a figure of text width has 960
	margin vg.Length = 5   // around each plot
)

// Figure is a plot with its legend beneath it, or several figures in a row or a column. It shows
// itself in a notebook by notebook.Show.
type Figure struct {
	// Plot is the picture; nil where the figure only holds others. Change it as any gonum plot.
	Plot *plot.Plot
	// Parts are the figures side by side, or one beneath another.
	Parts   []*Figure
	stacked bool

	Width, Height vg.Length
	// Alt says in words what is to be seen.
	Alt string

	legend []legendEntry
	layout layout
	dark   bool
	data   any
}

// String returns the figure in words.
func (f *Figure) String() string { return f.Alt }

// Data returns the rows that a figure of rows was drawn from; nil of other figures. notebook.Show hands them
// on, and publish writes them beside the figure.
func (f *Figure) Data() any { return f.data }

// from is the figure with the rows that it was drawn from.
func (f *Figure) from(rows any) *Figure {
	f.data = rows
	return f
}

// Strip puts figures side by side.
func Strip(figures ...*Figure) *Figure {
	strip := join(figures)
	for _, f := range figures {
		strip.Width += f.Width
		strip.Height = max(strip.Height, f.Height)
	}
	return strip
}

// Stack puts figures one beneath another.
func Stack(figures ...*Figure) *Figure {
	stack := join(figures)
	stack.stacked = true
	for _, f := range figures {
		stack.Width = max(stack.Width, f.Width)
		stack.Height += f.Height
	}
	return stack
}

func join(figures []*Figure) *Figure {
	joined := &Figure{Parts: figures}
	var alts []string
	for _, f := range figures {
		if f.Alt != "" && !slices.Contains(alts, f.Alt) {
			alts = append(alts, f.Alt)
		}
	}
	joined.Alt = strings.Join(alts, "; ")
	return joined
}

// Draw draws the figure from the upper left corner of the canvas.
func (f *Figure) Draw(c draw.Canvas) {
	if _, already := c.Canvas.(darkCanvas); f.dark && !already {
		c.Canvas = darkCanvas{c.Canvas}
		c.SetColor(grey(0xFF))
		// A little over the edge, which lies within a pixel.
		c.Fill(draw.Crop(c, -0.5, 0.5, -0.5, 0.5).Rectangle.Path())
	}
	if f.Plot != nil {
		c := draw.Crop(c, margin, -margin, margin, -margin)
		beneath := legendHeight(f.legend, c.Size().X)
		f.Plot.Draw(draw.Crop(c, 0, 0, beneath, 0))
		drawLegend(draw.Crop(c, 0, 0, 0, beneath-c.Size().Y), f.legend)
	}
	at := vg.Point{X: c.Min.X, Y: c.Max.Y}
	for _, part := range f.Parts {
		part.Draw(draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: at.X, Y: at.Y - part.Height},
			Max: vg.Point{X: at.X + part.Width, Y: at.Y},
		}})
		if f.stacked {
			at.Y -= part.Height
		} else {
			at.X += part.Width
		}
	}
	if f.Plot == nil && len(f.legend) > 0 {
		c = draw.Crop(c, margin, -margin, margin, 0)
		drawLegend(draw.Crop(c, 0, 0, 0, legendHeight(f.legend, c.Size().X)-c.Size().Y), f.legend)
	}
}

// PNG returns the figure as a PNG file, 150 pixels an inch.
func (f *Figure) PNG() ([]byte, error) { return f.file(".png") }

// SVG returns the figure as an SVG file. Its text is text, in whichever sans-serif font the viewer
// has.
func (f *Figure) SVG() ([]byte, error) { return f.file(".svg") }

func (f *Figure) file(extension string) ([]byte, error) {
	picture, err := f.encode(extension)
	if err != nil {
		return nil, fmt.Errorf("plots: %w", err)
	}
	return picture, nil
}

// Save writes the figure to a file, whole or not at all, in the format that the extension of its
// name says: .png, .svg or .pdf.
func (f *Figure) Save(path string) error {
	picture, err := f.encode(strings.ToLower(filepath.Ext(path)))
	if err == nil {
		err = whole.WriteFile(path, picture, 0o644)
	}
	if err != nil {
		return fmt.Errorf("plots: cannot save %q: %w", path, err)
	}
	return nil
}

// encode draws the figure in the format of a file extension.
func (f *Figure) encode(extension string) (picture []byte, err error) {
	// gonum/plot panics on what a user can set, such as a logarithmic axis through 0.
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("cannot draw the figure: %v", reason)
		}
	}()
	if !(f.Width > 0 && f.Height > 0) {
		return nil, errors.New("the figure has no size: set Width and Height")
	}
	var canvas vg.CanvasWriterTo
	switch extension {
	case ".png":
		canvas = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(f.Width, f.Height), vgimg.UseDPI(dpi))}
	case ".svg":
		canvas = vgsvg.NewWith(vgsvg.UseWH(f.Width, f.Height))
	case ".pdf":
		canvas = vgpdf.New(f.Width, f.Height)
	default:
		return nil, fmt.Errorf("unknown picture format %q: use .png, .svg or .pdf", extension)
	}
	f.Draw(draw.NewCanvas(canvas, f.Width, f.Height))
	var file bytes.Buffer
	if _, err := canvas.WriteTo(&file); err != nil {
		return nil, err
	}
	if extension == ".svg" {
		// vgsvg names the one font that it measured with; these are as wide, or at least as plain.
		return bytes.ReplaceAll(file.Bytes(), []byte("font-family:Liberation Sans;"),
			[]byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")), nil
	}
	return file.Bytes(), nil
}
