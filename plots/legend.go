package plots

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// legendEntry is a name and the line or glyph that it stands beside.
type legendEntry struct {
	name       string
	thumbnails []plot.Thumbnailer
}

const (
	thumbnailWidth vg.Length = 22
	legendGap      vg.Length = 12 // between columns
	legendPadding  vg.Length = 6  // above
	legendLine     vg.Length = 13
)

// legendColumns returns how many entries fit side by side, and how wide a column is.
func legendColumns(entries []legendEntry, width vg.Length) (columns int, column vg.Length) {
	style := legendStyle()
	for _, e := range entries {
		column = max(column, thumbnailWidth+4+style.Width(e.name)+legendGap)
	}
	return max(1, min(len(entries), int((width+legendGap)/column))), column
}

// legendHeight returns the room that the entries need beneath a plot of the given width.
func legendHeight(entries []legendEntry, width vg.Length) vg.Length {
	if len(entries) == 0 {
		return 0
	}
	columns, _ := legendColumns(entries, width)
	lines := (len(entries) + columns - 1) / columns
	return legendPadding + vg.Length(lines)*legendLine
}

// drawLegend writes the entries in lines, from the upper left of the canvas; gonum's own legends lie
// upon the data.
func drawLegend(c draw.Canvas, entries []legendEntry) {
	if len(entries) == 0 {
		return
	}
	columns, width := legendColumns(entries, c.Size().X)
	left := c.Min.X + max(0, (c.Size().X-vg.Length(columns)*width+legendGap)/2)
	style := legendStyle()
	for i, e := range entries {
		at := vg.Point{
			X: left + vg.Length(i%columns)*width,
			Y: c.Max.Y - legendPadding - vg.Length(i/columns+1)*legendLine,
		}
		icon := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: at, Max: vg.Point{X: at.X + thumbnailWidth, Y: at.Y + legendLine},
		}}
		for _, t := range e.thumbnails {
			t.Thumbnail(&icon)
		}
		c.FillText(style, vg.Point{X: icon.Max.X + 4, Y: icon.Center().Y}, e.name)
	}
}

func legendStyle() text.Style {
	return text.Style{Color: ink, Font: sans(tickSize), YAlign: draw.YCenter, Handler: plot.DefaultTextHandler}
}

// addLegend gives joined figures a legend beneath them all.
func (f *Figure) addLegend(entries ...legendEntry) {
	f.legend = entries
	f.Height += legendHeight(entries, f.Width-2*margin) + margin
}

// shareLegend makes one legend of the parts', which are alike.
func (f *Figure) shareLegend() {
	entries := f.Parts[0].legend
	f.Height = 0
	for _, part := range f.Parts {
		part.Height -= legendHeight(part.legend, part.Width-2*margin)
		part.legend = nil
		f.Height = max(f.Height, part.Height)
	}
	f.addLegend(entries...)
}
