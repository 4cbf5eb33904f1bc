package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"tokenfuse/lib/result"
)

// benchColumns are the columns of the table of `bench`; those that would stay empty are left out.
var benchColumns = []struct {
	header string
	cell   func(r result.Row) string
}{
	{"model", func(r result.Row) string { return r.Model }},
	{"image", func(r result.Row) string { return r.ImageSize }},
	{"dtype", func(r result.Row) string { return r.DType }},
	{"batch", func(r result.Row) string { return fmt.Sprint(r.Batch) }},
	{"method", func(r result.Row) string {
		if r.Label == "" && r.Method == result.None {
			return "base model"
		}
		return orElse(r.Label, r.Method)
	}},
	{"ms/batch", func(r result.Row) string { return number("%.1f", r.MillisecondsPerBatch) }},
	{"quartiles", func(r result.Row) string {
		return fmt.Sprintf("%.1f to %.1f", r.MillisecondsQuartile1, r.MillisecondsQuartile3)
	}},
	{"images/s", func(r result.Row) string { return number("%.1f", r.ImagesPerSecond) }},
	{"speed-up", func(r result.Row) string { return number("%.2f", r.Speedup) }},
	{"GMACs", func(r result.Row) string {
		if r.GMACs == 0 {
			return ""
		}
		return gmacs(r.GMACs)
	}},
	{"of base", func(r result.Row) string { return percent(r.GMACsShare) }},
	{"gain of cutting", func(r result.Row) string { return percent(r.GainOfCutting) }},
	{"compile (s)", func(r result.Row) string { return number("%.1f", r.CompileSeconds) }},
	{"start (s)", func(r result.Row) string { return number("%.1f", r.StartSeconds) }},
	{"peak (MiB)", func(r result.Row) string { return number("%.0f", r.PeakMebibytes) }},
}

// printBench prints rows as a table, and under it what they were measured on.
func printBench(out io.Writer, rows []result.Row, asMarkdown bool) {
	t := table.NewWriter()
	var header table.Row
	var configs []table.ColumnConfig
	cells := make([]table.Row, len(rows))
	for _, column := range benchColumns {
		texts := make([]string, len(rows))
		for i, r := range rows {
			texts[i] = column.cell(r)
		}
		if !slices.ContainsFunc(texts, func(s string) bool { return s != "" }) {
			continue
		}
		header = append(header, column.header)
		if column.header != "model" && column.header != "method" {
			configs = append(configs, table.ColumnConfig{Number: len(header), Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
		for i, s := range texts {
			cells[i] = append(cells[i], s)
		}
	}
	t.AppendHeader(header)
	t.AppendRows(cells)
	t.SetColumnConfigs(configs)
	render(out, t, asMarkdown)
	var told []string
	for _, r := range rows {
		on := describe(r.Backend, r.Machine)
		if r.Command == "" && !slices.Contains(told, on) {
			told = append(told, on)
			fmt.Fprintf(out, "\nMedians of %d batches, all cases in turn, on %s.\n", r.Repetitions, on)
		}
	}
}

// describe says on what a row was measured.
func describe(backend string, m result.Machine) string {
	var parts []string
	for _, part := range []struct{ format, value string }{
		{"%s", m.Device}, {"%s", m.CPU}, {"%s cores", fmt.Sprint(m.Cores)}, {"%s", m.System}, {"%s", backend}, {"%s", m.Plugin},
		{"XLA_FLAGS=%s", m.Flags}, {"GoMLX %s", m.GoMLX}, {"go-xla %s", m.GoXLA}, {"%s", m.Go}, {"commit %s", shortCommit(m.Commit)},
	} {
		if part.value != "" && part.value != "0" {
			parts = append(parts, fmt.Sprintf(part.format, part.value))
		}
	}
	return strings.Join(parts, ", ")
}

// shortCommit cuts a commit's hash to what tells it from others, and keeps "+changes".
func shortCommit(commit string) string {
	hash, changes, changed := strings.Cut(commit, "+")
	if changed {
		changes = "+" + changes
	}
	return hash[:min(len(hash), 12)] + changes
}

// number prints a value that was measured.
func number(format string, value float64) string {
	if value == 0 {
		return ""
	}
	return fmt.Sprintf(format, value)
}

// percent prints a share that is known.
func percent(share float64) string { return number("%.0f%%", 100*share) }

func orElse(first, second string) string {
	if first != "" {
		return first
	}
	return second
}
