package plots

import (
	"image/color"

	"gonum.org/v1/plot/vg"
)

// Dark returns the figure for a dark page: the same plots on almost black. Greys are mirrored, dark ink
// becomes light and white paper dark, whoever chose them; colours stay, and so do images and what lies
// upon them.
func (f *Figure) Dark() *Figure {
	dark := *f
	dark.dark = true
	return &dark
}

// paper is the background of a dark figure, that of JupyterLab's dark theme.
const paper = 0x11

// fixed is a colour that is the same in both themes: it lies upon an image or a coloured field.
type fixed struct{ color.NRGBA }

// darkCanvas mirrors the greys that are drawn on it.
type darkCanvas struct{ vg.Canvas }

// SetColor implements vg.Canvas.
func (c darkCanvas) SetColor(col color.Color) { c.Canvas.SetColor(onDark(col)) }

// onDark maps white to paper, black to white, and the greys between as they lie; other colours to
// themselves.
func onDark(c color.Color) color.Color {
	if c == nil {
		c = color.Black // as in gonum
	}
	if f, ok := c.(fixed); ok {
		return f.NRGBA
	}
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	if n.R != n.G || n.G != n.B {
		return n
	}
	level := uint8(0xFF - (0xFF-paper)*int(n.R)/0xFF)
	return color.NRGBA{level, level, level, n.A}
}
