package ablation

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"tokenfuse/lib/result"
	"tokenfuse/lib/statistics"
)

// Difference is how much more accurate a line is than its baseline, paired by seed and image.
type Difference struct {
	Mean float64
	// Images is the 95% interval over the images of the mean over seeds, by bootstrap: over images, or
	// over the things they show where one is in several.
	Images statistics.Interval
	// Seeds is the 95% interval over seeds, by Student's t; without bounds for one seed.
	Seeds statistics.Interval
	// P is that of McNemar's exact test; NaN where it does not apply: several seeds, images in groups.
	P float64
}

// Real reports whether the difference is more than chance: 0 lies outside of its interval over images,
// and, of several seeds, over seeds. A difference that is not real is to be called none.
func (d Difference) Real() bool {
	return d.Images.Excludes(0) && (math.IsInf(d.Seeds.Low, -1) || d.Seeds.Excludes(0))
}

// baselineOf returns the line that another is compared with: of the baseline, on the same model and
// data, at the same target, or where the baseline has no target, its only line. A baseline that is named
// together with its model is compared with on every model.
func baselineOf(lines []Line, l Line, baseline string) (Line, bool) {
	var found []Line
	for _, b := range lines {
		r, own := b.Rows[0], l.Rows[0]
		named := b.Name == baseline || b.is(baseline) && r.Model == own.Model
		if baseline == "" {
			named = r.Method == result.None && r.Model == own.Model
		}
		if named && r.Dataset == own.Dataset && r.Split == own.Split && (r.Target == "" || r.Target == own.Target) {
			found = append(found, b)
		}
	}
	if len(found) != 1 || settingOf(found[0].Rows[0], found[0].Name) == settingOf(l.Rows[0], l.Name) {
		return Line{}, false
	}
	return found[0], true
}

// compare pairs the rows of a line with those of its baseline by seed. A baseline of one row, which no
// seed changes, is paired with each; and so is a line of one row with a baseline of several.
func compare(base, line Line) (*Difference, error) {
	pairs := pair(base.Rows, line.Rows)
	if len(pairs) == 0 {
		return nil, nil
	}
	var values, seeds []float64
	var groups []int
	for _, p := range pairs {
		a, err := p[0].Answers()
		if err != nil {
			return nil, err
		}
		b, err := p[1].Answers()
		if err != nil {
			return nil, err
		}
		if values == nil {
			values = make([]float64, len(a))
		}
		if len(a) != len(b) || len(a) != len(values) || p[0].Groups != p[1].Groups {
			return nil, fmt.Errorf("ablation: %s and %s were measured on %d and %d images, or on others: they do not pair", base.Name, line.Name, len(a), len(b))
		}
		for i := range a {
			values[i] += (share(b[i]) - share(a[i])) / float64(len(pairs))
		}
		seeds = append(seeds, p[1].AccuracyTop1-p[0].AccuracyTop1)
	}
	groups, err := pairs[0][0].ImageGroups()
	if err != nil {
		return nil, err
	}
	spread := statistics.Seeds(seeds)
	d := &Difference{Mean: spread.Mean, Seeds: spread.Interval, P: math.NaN()}
	if d.Images, err = statistics.Bootstrap(values, groups); err != nil {
		return nil, err
	}
	if len(pairs) == 1 && groups == nil {
		a, _ := pairs[0][0].Answers() // read above
		b, _ := pairs[0][1].Answers()
		if d.P, err = statistics.McNemar(a, b); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// pair returns the rows of the same seed, baseline first.
func pair(base, rows []result.Row) (pairs [][2]result.Row) {
	for _, b := range base {
		for _, r := range rows {
			if b.Seed == r.Seed || len(base) == 1 || len(rows) == 1 {
				pairs = append(pairs, [2]result.Row{b, r})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b [2]result.Row) int { return cmp.Compare(a[1].Seed, b[1].Seed) })
	return pairs
}

func share(right bool) float64 {
	if right {
		return 1
	}
	return 0
}
