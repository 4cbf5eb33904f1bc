package plots

import "gonum.org/v1/plot/vg"

// ColumnWidth is that of a column of a two-column page, 8.5 cm; TextWidth that of a notebook's text.
const (
	ColumnWidth = 8.5 * vg.Centimeter
	TextWidth   = 6.4 * vg.Inch
)

// layout says what becomes of a plot's height when it is made narrower.
type layout int

const (
	shrinks layout = iota // less
	stays                 // nothing: it has rows
	scales                // as much: it is a picture
)

// Column returns the figure as wide as a column of print at most, its text as large as before: a plot is
// narrower, panels side by side go on in the next row, pictures are smaller. What is narrow enough stays
// as it is.
func (f *Figure) Column() *Figure {
	switch {
	case f.Width <= ColumnWidth:
		return f
	case f.Plot != nil:
		return f.narrowed(ColumnWidth)
	}
	narrow := *f
	joined := reflow(f.leaves())
	narrow.Parts, narrow.stacked = joined.Parts, joined.stacked
	narrow.Width, narrow.Height = joined.Width, joined.Height
	if len(f.legend) > 0 {
		narrow.addLegend(f.legend...)
	}
	return &narrow
}

// leaves are the figures that are plots themselves, or have a legend of their own.
func (f *Figure) leaves() []*Figure {
	var leaves []*Figure
	for _, part := range f.Parts {
		if part.Plot != nil || len(part.legend) > 0 {
			leaves = append(leaves, part)
		} else {
			leaves = append(leaves, part.leaves()...)
		}
	}
	return leaves
}

// reflow puts figures in rows of a column's width, pictures two in a row at least.
func reflow(figures []*Figure) *Figure {
	var rows []*Figure
	var row []*Figure
	width := vg.Length(0)
	for _, f := range figures {
		if f.layout == scales && len(figures) > 1 && f.Width > ColumnWidth/2 {
			f = f.narrowed(ColumnWidth / 2)
		}
		f = f.Column()
		if len(row) > 0 && width+f.Width > ColumnWidth+1e-6 {
			rows, row, width = append(rows, Strip(row...)), nil, 0
		}
		row, width = append(row, f), width+f.Width
	}
	if len(row) > 0 {
		rows = append(rows, Strip(row...))
	}
	return Stack(rows...)
}

// narrowed returns a plot of another width.
func (f *Figure) narrowed(width vg.Length) *Figure {
	narrow := *f
	narrow.Width = width
	body := f.Height - legendHeight(f.legend, f.Width-2*margin)
	switch f.layout {
	case shrinks:
		body *= max(0.65, width/f.Width)
	case scales:
		p := *f.Plot
		narrow.Plot = &p
		fitTitle(&p, width-2*margin)
		shape := (body - titleHeight(f.Plot) - 2*margin) / (f.Width - 2*margin)
		body = shape*(width-2*margin) + titleHeight(&p) + 2*margin
	}
	narrow.Height = body + legendHeight(f.legend, width-2*margin)
	return &narrow
}
