package ablation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tokenfuse/lib/result"
	"tokenfuse/lib/statistics"
)

// Summary is a table of a sweep: a line for each setting, over its seeds.
type Summary struct {
	Lines    []Line
	Baseline string // what Difference is to

	ofForeground bool // Table is of that
}

// Line is a setting of a method on a model and data, with the rows of all its seeds.
type Line struct {
	Rows  []result.Row // by seed
	Name  string       // of the method, as in the legend of a figure
	GMACs float64      // mean over the seeds
	// Accuracy is over the seeds; of one, its interval is not known.
	Accuracy statistics.Spread
	// Images is the 95% interval over images: Wilson's of one row, whose images each show a thing of their
	// own; else a bootstrap over images, or over the things they show, of the mean over seeds.
	Images statistics.Interval
	// Difference is to the baseline, nil where there is none to compare with.
	Difference *Difference
	// Front, if no other line of the same model and data is both cheaper and better.
	Front bool
}

// Seeds returns the number of seeds.
func (l Line) Seeds() int { return len(l.Rows) }

// Summarise makes a summary of rows, without failures (see ReadStore). baseline is the name of the
// method to compare with, by label or as in the legend of a figure; empty, the base model. Differences
// are between rows of the same model, data and seed, and of the same target where the baseline has
// targets. Where rows hold several models, a baseline with its model's name before it ("plain mctf")
// is compared with on all of them: a model trained in another way is another model.
func Summarise(rows []result.Row, baseline string) (Summary, error) {
	lines := linesOf(rows)
	s := Summary{Baseline: orLabel(baseline, "base model")}
	if baseline != "" && !slices.ContainsFunc(lines, func(l Line) bool { return l.is(baseline) }) {
		var names []string
		for _, l := range lines {
			if !slices.Contains(names, l.Name) {
				names = append(names, l.Name)
			}
		}
		return s, fmt.Errorf("ablation: no rows of the baseline %q: there are %s", baseline, strings.Join(names, ", "))
	}
	for i := range lines {
		if err := lines[i].measure(); err != nil {
			return s, err
		}
		base, ok := baselineOf(lines, lines[i], baseline)
		if !ok {
			continue
		}
		d, err := compare(base, lines[i])
		if err != nil {
			return s, err
		}
		lines[i].Difference = d
	}
	markFront(lines)
	s.Lines = lines
	return s, nil
}

// is reports whether the line is what a user calls by a name.
func (l Line) is(name string) bool {
	r := l.Rows[0]
	return name == l.Name || name == r.Label || r.Label == "" && name == r.Method
}

// setting is what the rows of a line have in common.
type setting struct{ model, dataset, split, name, fusion, target string }

func settingOf(r result.Row, name string) setting {
	return setting{r.Model, r.Dataset, r.Split, name, r.Configuration(), r.Target}
}

// linesOf gathers rows of all seeds in lines, in the order of their first rows.
func linesOf(rows []result.Row) []Line {
	names := result.Series(rows)
	var lines []Line
	index := map[setting]int{}
	for i, r := range rows {
		key := settingOf(r, names[i])
		k, ok := index[key]
		if !ok {
			k = len(lines)
			index[key] = k
			lines = append(lines, Line{Name: names[i]})
		}
		lines[k].Rows = append(lines[k].Rows, r)
	}
	for _, l := range lines {
		slices.SortStableFunc(l.Rows, func(a, b result.Row) int { return cmp.Compare(a.Seed, b.Seed) })
	}
	return lines
}

// measure computes what a line says of itself.
func (l *Line) measure() (err error) {
	accuracies := make([]float64, len(l.Rows))
	for i, r := range l.Rows {
		accuracies[i] = r.AccuracyTop1
		l.GMACs += r.GMACs / float64(len(l.Rows))
	}
	l.Accuracy = statistics.Seeds(accuracies)
	if first := l.Rows[0]; len(l.Rows) == 1 && first.Groups == "" {
		l.Images.Low, l.Images.High = result.Wilson(first.AccuracyTop1, first.Samples)
		return nil
	}
	values, groups, err := meanAnswers(l.Rows)
	if err != nil {
		return err
	}
	l.Images, err = statistics.Bootstrap(values, groups)
	return err
}

// meanAnswers returns for each image the share of rows that have it right, and the images' groups.
func meanAnswers(rows []result.Row) (values []float64, groups []int, err error) {
	for _, r := range rows {
		answers, err := r.Answers()
		if err != nil {
			return nil, nil, err
		}
		if values == nil {
			values = make([]float64, len(answers))
		}
		if len(answers) != len(values) || r.Groups != rows[0].Groups {
			return nil, nil, fmt.Errorf("ablation: %q under %q: the rows of its seeds are of %d and %d images, or of others: summarise them apart", r.Model, r.Method, len(values), len(answers))
		}
		for i, right := range answers {
			if right {
				values[i] += 1 / float64(len(rows))
			}
		}
	}
	groups, err = rows[0].ImageGroups()
	return values, groups, err
}

// markFront marks the lines of the Pareto front of their model and data.
func markFront(lines []Line) {
	on := map[[3]string][]result.Row{}
	mean := func(l Line) (result.Row, [3]string) {
		r := l.Rows[0]
		return result.Row{GMACs: l.GMACs, AccuracyTop1: l.Accuracy.Mean}, [3]string{r.Model, r.Dataset, r.Split}
	}
	for _, l := range lines {
		row, where := mean(l)
		on[where] = append(on[where], row)
	}
	for where, rows := range on {
		on[where] = result.Pareto(rows)
	}
	for i := range lines {
		row, where := mean(lines[i])
		lines[i].Front = slices.ContainsFunc(on[where], func(r result.Row) bool {
			return r.GMACs == row.GMACs && r.AccuracyTop1 == row.AccuracyTop1
		})
	}
}
