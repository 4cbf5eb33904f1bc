package plots

import "gonum.org/v1/plot/vg"

// ColumnWidth is that of a column of a two-column page, 8.5 cm; TextWidth that of a notebook's text.
const (
	ColumnWidth = 8.5 * vg.Centimeter
	TextWidth   = 6.4 * vg.Inch
)

// Column returns the figure as wide as a column of print at most, its text as large as before: a plot is
// narrower, panels side by side go on in the next row.
func (f *Figure) Column() *Figure {
	if f.Width <= ColumnWidth {
		return f
	}
	narrow := *f
	if f.Plot != nil {
		narrow.Width = ColumnWidth
		body := f.Height - legendHeight(f.legend, f.Width-2*margin)
		if f.shape > 0 { // the plot keeps its shape
			body = f.shape * ColumnWidth
		}
		narrow.Height = body + legendHeight(f.legend, ColumnWidth-2*margin)
		return &narrow
	}
	var rows []*Figure
	var row []*Figure
	width := vg.Length(0)
	for _, part := range f.Parts {
		part = part.Column()
		if len(row) > 0 && (f.stacked || width+part.Width > ColumnWidth) {
			rows, row, width = append(rows, Strip(row...)), nil, 0
		}
		row, width = append(row, part), width+part.Width
	}
	rows = append(rows, Strip(row...))
	stack := Stack(rows...)
	narrow.Parts, narrow.stacked = stack.Parts, true
	narrow.Width = stack.Width
	narrow.Height = stack.Height + legendHeight(f.legend, stack.Width-2*margin)
	return &narrow
}
