package notebook

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"tokenfuse/lib/result"
)

// table is rows of text under a header, or under none; rows may be shorter than the header.
type table struct {
	header []string
	rows   [][]string
}

func (t table) render() content {
	writer := pretty.NewWriter()
	style := pretty.StyleLight
	style.Format = pretty.FormatOptions{} // headers as they are written
	writer.SetStyle(style)
	columns := make([]pretty.ColumnConfig, t.width())
	for i := range columns {
		align := text.AlignLeft
		if t.isNumeric(i) {
			align = text.AlignRight
		}
		columns[i] = pretty.ColumnConfig{Number: i + 1, Align: align, AlignHeader: align}
	}
	writer.SetColumnConfigs(columns)
	if len(t.header) > 0 {
		writer.AppendHeader(cells(t.header))
	}
	for _, row := range t.rows {
		writer.AppendRow(cells(row))
	}
	return content{text: writer.Render(), html: t.scrolling(alignByStyle.Replace(writer.RenderHTML()))}
}

// shortRows is how many rows a table may have and still be shown as a whole.
const shortRows = 20

// scrolling lets a long table scroll within its output, by keyboard too, under a header that stays.
func (t table) scrolling(html string) string {
	if len(t.rows) <= shortRows {
		return html
	}
	html = strings.Replace(html, "<thead>", `<thead style="position: sticky; top: 0; background: var(--jp-layout-color0, Canvas)">`, 1)
	return fmt.Sprintf(`<div style="max-height: 32em; overflow: auto" tabindex="0" role="region" aria-label="table of %d rows">%s</div>`, len(t.rows), html)
}

// alignByStyle lets alignment win over Jupyter's style sheet, which sets every cell flush right. Text
// in cells is escaped, and so not touched.
var alignByStyle = strings.NewReplacer(`align="left"`, `style="text-align: left"`, `align="right"`, `style="text-align: right"`)

func (t table) width() int {
	width := len(t.header)
	for _, row := range t.rows {
		width = max(width, len(row))
	}
	return width
}

func cells(row []string) pretty.Row {
	out := make(pretty.Row, len(row))
	for i, cell := range row {
		out[i] = cell
	}
	return out
}

// isNumeric says whether all that a column holds are numbers, units or ranges aside.
func (t table) isNumeric(column int) bool {
	some := false
	for _, row := range t.rows {
		if column >= len(row) || row[column] == "" {
			continue
		}
		first := strings.TrimLeft(row[column], "+-±~<>")
		if first == "" || first[0] < '0' || first[0] > '9' {
			return false
		}
		some = true
	}
	return some
}

// rowTable lays result rows out: how much is fused, what it costs, what it gives, against the base
// model among them. Columns that would stay empty are left out.
func rowTable(rows []result.Row) table {
	names, decimals := result.Series(rows), decimalsOfGMACs(rows)
	columns := []struct {
		header string
		cell   func(i int, r result.Row) string
	}{
		{"method", func(i int, _ result.Row) string { return names[i] }},
		{"setting", func(_ int, r result.Row) string { return r.Setting() }},
		{"GMACs", func(_ int, r result.Row) string { return strconv.FormatFloat(r.GMACs, 'f', decimals, 64) }},
		{"vs base", func(_ int, r result.Row) string {
			return againstBase(rows, r, func(base result.Row) string {
				if base.GMACs == 0 {
					return ""
				}
				return fmt.Sprintf("%+.0f%%", 100*(r.GMACs/base.GMACs-1))
			})
		}},
		{"top-1 accuracy (%)", func(_ int, r result.Row) string {
			if isUnmeasured(r) {
				return ""
			}
			return fmt.Sprintf("%.2f", 100*r.AccuracyTop1)
		}},
		{"95% interval", func(_ int, r result.Row) string {
			if r.Samples == 0 {
				return ""
			}
			low, high := result.Wilson(r.AccuracyTop1, r.IndependentSamples())
			return fmt.Sprintf("%.2f to %.2f", 100*low, 100*high)
		}},
		{"vs base (points)", func(_ int, r result.Row) string {
			if isUnmeasured(r) {
				return ""
			}
			return againstBase(rows, r, func(base result.Row) string {
				return fmt.Sprintf("%+.2f", 100*(r.AccuracyTop1-base.AccuracyTop1))
			})
		}},
		{"images/s", func(_ int, r result.Row) string {
			if r.ImagesPerSecond == 0 {
				return ""
			}
			return strconv.FormatFloat(r.ImagesPerSecond, 'f', 0, 64)
		}},
		{"batch", func(_ int, r result.Row) string { return timed("%d", r.Batch) }},
		{"ms/batch", func(_ int, r result.Row) string { return timed("%.1f", r.MillisecondsPerBatch) }},
		{"speed-up", func(_ int, r result.Row) string { return timed("%.2f", r.Speedup) }},
		{"gain of cutting", func(_ int, r result.Row) string { return timed("%.0f%%", 100*r.GainOfCutting) }},
		{"foreground kept (%)", func(_ int, r result.Row) string { return measured(100, r.ForegroundKept, r.ForegroundKeptError) }},
		{"foreground purity (%)", func(_ int, r result.Row) string { return measured(100, r.ForegroundPurity, r.ForegroundPurityError) }},
		{"group purity (%)", func(_ int, r result.Row) string { return measured(100, r.GroupPurity, r.GroupPurityError) }},
		{"foreground token (patches)", func(_ int, r result.Row) string { return measured(1, r.ForegroundSize, r.ForegroundSizeError) }},
		{"background token (patches)", func(_ int, r result.Row) string { return measured(1, r.BackgroundSize, r.BackgroundSizeError) }},
	}

	laid := table{rows: make([][]string, len(rows))}
	for _, column := range columns {
		cells := make([]string, len(rows))
		for i, r := range rows {
			cells[i] = column.cell(i, r)
		}
		if !slices.ContainsFunc(cells, func(cell string) bool { return cell != "" }) {
			continue
		}
		laid.header = append(laid.header, column.header)
		for i, cell := range cells {
			laid.rows[i] = append(laid.rows[i], cell)
		}
	}
	return laid
}

// isUnmeasured reports whether the row says nothing of accuracy: it was timed, with whatever images.
func isUnmeasured(r result.Row) bool {
	return r.Samples == 0 && r.AccuracyTop1 == 0 && r.MillisecondsPerBatch > 0
}

// timed is a value of a row's timing; empty where it was not measured.
func timed[T int | float64](format string, value T) string {
	if value == 0 {
		return ""
	}
	return fmt.Sprintf(format, value)
}

// measured is a mean, with its standard error where there is one; empty where it was not measured.
func measured(scale, mean, standardError float64) string {
	switch {
	case mean == 0:
		return ""
	case standardError == 0:
		return fmt.Sprintf("%.2f", scale*mean)
	}
	return fmt.Sprintf("%.2f ± %.2f", scale*mean, scale*standardError)
}

// againstBase compares a row with its base model; empty where there is none, or it is the base.
func againstBase(rows []result.Row, r result.Row, compare func(base result.Row) string) string {
	base, ok := result.Base(rows, r)
	if !ok || r.Method == result.None {
		return ""
	}
	return compare(base)
}

// decimalsOfGMACs are the two of the literature, and more where a model is small, the same for all
// rows.
func decimalsOfGMACs(rows []result.Row) int {
	if slices.ContainsFunc(rows, func(r result.Row) bool { return r.GMACs > 0 && r.GMACs < 0.1 }) {
		return 4
	}
	return 2
}
