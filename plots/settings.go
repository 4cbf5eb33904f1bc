package plots

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tokenfuse/lib/result"
)

// evaluated returns the rows that hold a result; rows that cannot be, or of several datasets or splits,
// are an error, since their accuracies do not compare.
func evaluated(rows []result.Row) ([]result.Row, error) {
	if len(rows) == 0 {
		return nil, errors.New("plots: no rows to draw: pass the rows of a run")
	}
	var kept []result.Row
	for i, r := range rows {
		if err := r.Validate(); err != nil {
			return nil, fmt.Errorf("plots: row %d: %s", i+1, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		if r.Dataset != rows[0].Dataset || r.Split != rows[0].Split {
			return nil, fmt.Errorf("plots: rows of %q and %q do not compare: draw them apart",
				rows[0].Dataset+" "+rows[0].Split, r.Dataset+" "+r.Split)
		}
		if !r.Failed() {
			kept = append(kept, r)
		}
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("plots: none of %d rows holds a result: the first failed with %q", len(rows), rows[0].Error)
	}
	return kept, nil
}

// setting is the rows of one configuration, a seed each.
type setting []result.Row

// identity is what rows of one setting have in common: all that their fusion says but the seed; where it
// says nothing, their cost.
func identity(r result.Row) string {
	configuration := r.Configuration()
	if configuration == "" {
		configuration = fmt.Sprint(r.GMACs)
	}
	return strings.Join([]string{r.Model, r.Method, r.Label, r.Target, configuration}, "\n")
}

// settingsOf groups rows by setting, in order of appearance.
func settingsOf(rows []result.Row) []setting {
	var settings []setting
	at := map[string]int{}
	for _, r := range rows {
		key := identity(r)
		i, known := at[key]
		if !known {
			i = len(settings)
			at[key] = i
			settings = append(settings, nil)
		}
		settings[i] = append(settings[i], r)
	}
	return settings
}

func gmacs(r result.Row) float64 { return r.GMACs }

// mean is that of a number over the seeds.
func (s setting) mean(of func(result.Row) float64) float64 {
	sum := 0.0
	for _, r := range s {
		sum += of(r)
	}
	return sum / float64(len(s))
}

// accuracy returns the mean accuracy in percent and its 95% interval: Student's over the seeds, and of
// one seed Wilson's over its images, or, where several images show one thing, over the things. known is
// false where neither is to be had.
func (s setting) accuracy() (mean, low, high float64, known bool) {
	if len(s) > 1 {
		values := make([]float64, len(s))
		for i, r := range s {
			values[i] = 100 * r.AccuracyTop1
		}
		mean, low, high = result.Student(values)
		return mean, low, high, true
	}
	mean = 100 * s[0].AccuracyTop1
	n := s[0].IndependentSamples()
	if n == 0 {
		return mean, mean, mean, false
	}
	low, high = result.Wilson(s[0].AccuracyTop1, n)
	return mean, 100 * low, 100 * high, true
}

// strength is how much a row fuses: the target it was tuned to, else its setting.
func strength(r result.Row) string { return cmp.Or(r.Target, r.Setting()) }

// benchNames are the names of rows of `bench` in a legend: Series', and what else rows of one name differ
// in: how much is fused, batch and dtype, and whatever more is asked for.
func benchNames(rows []result.Row, more ...func(result.Row) string) []string {
	names := result.Series(rows)
	batch := func(r result.Row) string { return fmt.Sprintf("batch %d", r.Batch) }
	dtype := func(r result.Row) string { return cmp.Or(r.DType, "float32") }
	for _, of := range append([]func(result.Row) string{strength, batch, dtype}, more...) {
		first, several := map[string]string{}, map[string]bool{}
		for i, r := range rows {
			if said, met := first[names[i]]; met && said != of(r) {
				several[names[i]] = true
			} else if !met {
				first[names[i]] = of(r)
			}
		}
		for i, r := range rows {
			if several[names[i]] {
				names[i] = strings.TrimSuffix(names[i]+", "+of(r), ", ")
			}
		}
	}
	return names
}

func imageSizeOf(r result.Row) string { return r.ImageSize }

// line is the settings of a name, in order of appearance.
type line struct {
	name     string
	settings []setting
	index    int // among base models, or among the others: of its colour and glyph
}

func (l line) base() bool { return l.settings[0][0].Method == result.None }

// along returns the settings in the order of the means of a number.
func (l line) along(of func(result.Row) float64) []setting {
	return slices.SortedStableFunc(slices.Values(l.settings), func(a, b setting) int {
		return cmp.Compare(a.mean(of), b.mean(of))
	})
}

// linesOf groups rows by their name in a legend.
func linesOf(rows []result.Row) []line {
	names := result.Series(rows)
	of := map[string][]result.Row{}
	var order []string
	for i, r := range rows {
		if of[names[i]] == nil {
			order = append(order, names[i])
		}
		of[names[i]] = append(of[names[i]], r)
	}
	lines := make([]line, len(order))
	before := map[bool]int{}
	for i, name := range order {
		lines[i] = line{name: name, settings: settingsOf(of[name])}
		lines[i].index = before[lines[i].base()]
		before[lines[i].base()]++
	}
	return lines
}

// namesOf returns the names of lines.
func namesOf(lines []line) []string {
	names := make([]string, len(lines))
	for i, l := range lines {
		names[i] = l.name
	}
	return names
}
