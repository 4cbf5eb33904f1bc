package ablation

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"tokenfuse/lib/result"
	"tokenfuse/lib/statistics"
)

// column is one of a table.
type column struct {
	header string
	cell   func(Line) string
	only   func() bool // nil: where any cell is not empty
}

// Table returns a summary as a header and rows of text, for any table. Columns that would stay empty, or
// whose cells would all be the same model or data, are left out. Accuracies are percentages,
// differences points.
func (s Summary) Table() (header []string, rows [][]string) {
	columns := []column{
		{"model", func(l Line) string { return l.Rows[0].Model }, func() bool { return s.several(func(r result.Row) string { return r.Model }) }},
		{"data", data, func() bool { return s.several(func(r result.Row) string { return r.Dataset + r.Split }) }},
		{"method", func(l Line) string { return strings.TrimPrefix(l.Name, l.Rows[0].Model+" ") }, nil},
		{"target", func(l Line) string { return l.Rows[0].Target }, nil},
		{"setting", func(l Line) string { return l.Rows[0].Setting() }, nil},
		{"GMACs", func(l Line) string { return s.gmacs(l.GMACs) }, nil},
		{"images/s", speed, nil},
		{"seeds", func(l Line) string { return fmt.Sprint(l.Seeds()) }, s.seeds},
		{"top-1 (%)", func(l Line) string { return fmt.Sprintf("%.2f", 100*l.Accuracy.Mean) }, nil},
	}
	if s.ofForeground {
		columns = append(columns, foregroundColumns...)
	} else {
		columns = append(columns, s.certainty()...)
	}
	rows = make([][]string, len(s.Lines))
	for _, c := range columns {
		cells := make([]string, len(s.Lines))
		for i, l := range s.Lines {
			cells[i] = c.cell(l)
		}
		if c.only != nil && !c.only() || !slices.ContainsFunc(cells, func(cell string) bool { return cell != "" }) {
			continue
		}
		header = append(header, c.header)
		for i, cell := range cells {
			rows[i] = append(rows[i], cell)
		}
	}
	return header, rows
}

func data(l Line) string { return strings.TrimSpace(l.Rows[0].Dataset + " " + l.Rows[0].Split) }

// certainty is how far the accuracies vary, and whether they differ.
func (s Summary) certainty() []column {
	return []column{
		{"deviation", func(l Line) string { return percentOf(l.Accuracy.Deviation, l.Seeds() > 1) }, nil},
		{"95% over seeds", func(l Line) string { return interval(l.Accuracy.Interval, "%.2f") }, nil},
		{"95% over images", func(l Line) string { return interval(l.Images, "%.2f") }, nil},
		{"vs " + s.Baseline, func(l Line) string {
			return l.difference(func(d Difference) string { return fmt.Sprintf("%+.2f", 100*d.Mean) })
		}, nil},
		{"of it 95% over images", func(l Line) string {
			return l.difference(func(d Difference) string { return interval(d.Images, "%+.2f") })
		}, nil},
		{"of it 95% over seeds", func(l Line) string {
			return l.difference(func(d Difference) string { return interval(d.Seeds, "%+.2f") })
		}, nil},
		{"McNemar p", func(l Line) string { return l.difference(func(d Difference) string { return probability(d.P) }) }, nil},
		{"difference", func(l Line) string { return l.difference(verdict) }, nil},
		{"Pareto", func(l Line) string { return map[bool]string{true: "*"}[l.Front] }, nil},
	}
}

// speed is that of the line's rows, where they have one: see result.WithSpeed.
func speed(l Line) string {
	sum := 0.0
	for _, r := range l.Rows {
		if r.ImagesPerSecond == 0 {
			return ""
		}
		sum += r.ImagesPerSecond
	}
	mean := sum / float64(len(l.Rows))
	if mean >= 100 {
		return fmt.Sprintf("%.0f", mean) // four digits are not to become 1.25e+03
	}
	return fmt.Sprintf("%.3g", mean)
}

// several reports whether the rows differ in something.
func (s Summary) several(of func(result.Row) string) bool {
	return slices.ContainsFunc(s.Lines, func(l Line) bool { return of(l.Rows[0]) != of(s.Lines[0].Rows[0]) })
}

func (s Summary) seeds() bool {
	return slices.ContainsFunc(s.Lines, func(l Line) bool { return l.Seeds() > 1 })
}

// gmacs prints two decimals, as the papers do, and more where models are small.
func (s Summary) gmacs(value float64) string {
	least := slices.MinFunc(s.Lines, func(a, b Line) int { return cmp.Compare(a.GMACs, b.GMACs) }).GMACs
	switch {
	case least < 0.001:
		return fmt.Sprintf("%.6f", value)
	case least < 0.1:
		return fmt.Sprintf("%.4f", value)
	}
	return fmt.Sprintf("%.2f", value)
}

func percentOf(share float64, known bool) string {
	if !known {
		return ""
	}
	return fmt.Sprintf("%.2f", 100*share)
}

func interval(i statistics.Interval, format string) string {
	if math.IsInf(i.Low, 0) || math.IsInf(i.High, 0) {
		return ""
	}
	return fmt.Sprintf(format+" to "+format, 100*i.Low, 100*i.High)
}

func probability(p float64) string {
	switch {
	case math.IsNaN(p):
		return ""
	case p < 0.001:
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", p)
}

// verdict is what may be said of a difference.
func verdict(d Difference) string {
	switch {
	case !d.Real():
		return "none"
	case d.Mean > 0:
		return "better"
	}
	return "worse"
}

func (l Line) difference(text func(Difference) string) string {
	if l.Difference == nil {
		return ""
	}
	return text(*l.Difference)
}

// isText are the columns that are set flush left.
var isText = []string{"model", "data", "method", "setting", "target"}

// Markdown returns the summary as a Markdown table.
func (s Summary) Markdown() string {
	header, rows := s.Table()
	escape := strings.NewReplacer("|", `\|`, "*", `\*`, "<", "&lt;").Replace
	var b strings.Builder
	line := func(cells []string) {
		for _, cell := range cells {
			fmt.Fprintf(&b, "| %s ", escape(cell))
		}
		b.WriteString("|\n")
	}
	line(header)
	for _, name := range header {
		b.WriteString(map[bool]string{true: "| --- ", false: "| ---:"}[slices.Contains(isText, name)])
	}
	b.WriteString("|\n")
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

// LaTeX returns the summary as a tabular with the rules of package booktabs.
func (s Summary) LaTeX() string {
	header, rows := s.Table()
	escape := strings.NewReplacer(`\`, `\textbackslash{}`, "&", `\&`, "%", `\%`, "$", `\$`, "#", `\#`, "_", `\_`, "{", `\{`, "}", `\}`,
		"~", `\textasciitilde{}`, "^", `\textasciicircum{}`, "<", `$<$`).Replace
	number := func(name, cell string) string { // a minus is no hyphen
		if slices.Contains(isText, name) {
			return escape(cell)
		}
		return strings.ReplaceAll(strings.ReplaceAll(escape(strings.ReplaceAll(cell, "-", "\x00")), "\x00", "$-$"), "+", "$+$")
	}
	var b strings.Builder
	b.WriteString(`\begin{tabular}{`)
	for _, name := range header {
		b.WriteString(map[bool]string{true: "l", false: "r"}[slices.Contains(isText, name)])
	}
	b.WriteString("}\n\\toprule\n")
	line := func(cell func(k int) string) {
		for k := range header {
			if k > 0 {
				b.WriteString(" & ")
			}
			b.WriteString(cell(k))
		}
		b.WriteString(" \\\\\n")
	}
	line(func(k int) string { return escape(header[k]) })
	b.WriteString("\\midrule\n")
	for _, row := range rows {
		line(func(k int) string { return number(header[k], row[k]) })
	}
	b.WriteString("\\bottomrule\n\\end{tabular}\n")
	return b.String()
}
