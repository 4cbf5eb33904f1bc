package statistics_test

import (
	"math"
	"slices"
	"testing"

	"tokenfuse/lib/statistics"
)

func near(got, want, tolerance float64) bool {
	return got == want || math.Abs(got-want) <= tolerance
}

// TestSeeds: by hand, with t(0.975) of a table: 12.7062 for 1 degree of freedom, 4.30265 for 2.
//   - 0 and 1: deviation sqrt((1/4 + 1/4)/1) = 0.707107, half 12.7062 * 0.707107 / sqrt(2) = 6.3531;
//   - 1, 2, 3: deviation sqrt(2/2) = 1, half 4.30265 / sqrt(3) = 2.48414.
//
// The five accuracies are scipy's: scipy.stats.t.interval(0.95, 4, mean, std(ddof=1)/sqrt(5)), 1.17.1.
func TestSeeds(t *testing.T) {
	for name, c := range map[string]struct {
		values                     []float64
		mean, deviation, low, high float64
	}{
		"one":   {[]float64{0.9}, 0.9, 0, math.Inf(-1), math.Inf(1)},
		"two":   {[]float64{0, 1}, 0.5, 0.707107, -5.8531, 6.8531},
		"three": {[]float64{1, 2, 3}, 2, 1, -0.48414, 4.48414},
		"same":  {[]float64{0.5, 0.5, 0.5}, 0.5, 0, 0.5, 0.5},
		"scipy": {[]float64{0.901, 0.912, 0.896, 0.907, 0.899}, 0.903, 0.006442049363362568, 0.8950011392308613, 0.9109988607691389},
	} {
		got := statistics.Seeds(c.values)
		const tolerance = 6e-5 // what a table of t leaves open; scipy agrees to 1e-9
		if !near(got.Mean, c.mean, 1e-12) || !near(got.Deviation, c.deviation, 1e-6) ||
			!near(got.Interval.Low, c.low, tolerance) || !near(got.Interval.High, c.high, tolerance) {
			t.Errorf("%s: %+v, want %+v", name, got, c)
		}
		if name == "scipy" && (!near(got.Interval.Low, c.low, 1e-9) || !near(got.Interval.High, c.high, 1e-9)) {
			t.Errorf("%s: %+v, want %+v", name, got, c)
		}
	}
	if got := statistics.Seeds(nil); !math.IsNaN(got.Mean) || !math.IsNaN(got.Interval.Low) {
		t.Errorf("none: %+v", got)
	}
}

// repeat is counts[k] times values[k], one after the other.
func repeat(values []float64, counts ...int) (all []float64) {
	for k, n := range counts {
		all = append(all, slices.Repeat(values[k:k+1], n)...)
	}
	return all
}

// TestBootstrapByHand: distributions that can be written down; their 2.5% and 97.5% points lie well off
// the steps, so that 10,000 draws meet them.
func TestBootstrapByHand(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		groups []int
		want   statistics.Interval
	}{
		"all the same": {[]float64{0.3, 0.3, 0.3}, nil, statistics.Interval{Low: 0.3, High: 0.3}},
		// 0, 1/2, 1 with probability 1/4, 1/2, 1/4.
		"a coin of two": {[]float64{0, 1}, nil, statistics.Interval{Low: 0, High: 1}},
		// k/4 with k binomial (4, 1/4): P(0) = 81/256; P(4) = 1/256 = 0.4%, P(3 or 4) = 13/256 = 5.1%.
		"one of four": {[]float64{0, 1, 0, 0}, nil, statistics.Interval{Low: 0, High: 0.75}},
		// k/8 with k binomial (8, 1/2): P(0) = 1/256 = 0.4%, P(0 or 1) = 9/256 = 3.5%; and so above.
		"eight images": {[]float64{1, 1, 1, 1, 0, 0, 0, 0}, nil, statistics.Interval{Low: 1.0 / 8, High: 7.0 / 8}},
		// The same images, but of two things only: 0, 1/2, 1 with probability 1/4, 1/2, 1/4.
		"eight images of two things": {[]float64{1, 1, 1, 1, 0, 0, 0, 0}, []int{7, 7, 7, 7, 3, 3, 3, 3}, statistics.Interval{Low: 0, High: 1}},
		// A is 3 images, all 1; B is one image, 0. AA, AB, BB make 6/6, 3/4, 0/2.
		"things of several sizes": {[]float64{1, 0, 1, 1}, []int{0, 1, 0, 0}, statistics.Interval{Low: 0, High: 1}},
	} {
		got, err := statistics.Bootstrap(c.values, c.groups)
		if err != nil || !near(got.Low, c.want.Low, 1e-12) || !near(got.High, c.want.High, 1e-12) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
	for name, c := range map[string]struct {
		values []float64
		groups []int
	}{"no images": {}, "a group too few": {[]float64{1, 0}, []int{1}}} {
		if _, err := statistics.Bootstrap(c.values, c.groups); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestBootstrapScipy: against scipy.stats.bootstrap (1.17.1, percentile, 100,000 resamples, clusters as
// sums over sums); the tolerance is two steps of the distribution, or 2% of the interval.
func TestBootstrapScipy(t *testing.T) {
	clusters := repeat([]float64{1, -1, 0}, 60, 25, 915)
	groups := make([]int, 1000)
	for i := range groups {
		groups[i] = i / 5
	}
	var ratio []float64
	var ratioGroups []int
	for g := range 60 { // a thing in 3 + g%2 images, right in g%4 of them
		for i := range 3 + g%2 {
			value := 0.0
			if i < g%4 {
				value = 1
			}
			ratio, ratioGroups = append(ratio, value), append(ratioGroups, g)
		}
	}
	for name, c := range map[string]struct {
		values    []float64
		groups    []int
		want      statistics.Interval
		tolerance float64
	}{
		"differences of 1000 images":     {clusters, nil, statistics.Interval{Low: 0.017, High: 0.053}, 0.0021},
		"the same of 200 things":         {clusters, groups, statistics.Interval{Low: -0.005, High: 0.075}, 0.0051},
		"things in three or four images": {ratio, ratioGroups, statistics.Interval{Low: 0.35266, High: 0.50239}, 0.004},
	} {
		got, err := statistics.Bootstrap(c.values, c.groups)
		if err != nil || !near(got.Low, c.want.Low, c.tolerance) || !near(got.High, c.want.High, c.tolerance) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
		if again, _ := statistics.Bootstrap(c.values, c.groups); again != got {
			t.Errorf("%s: %+v, then %+v", name, got, again)
		}
	}
}

// TestBootstrapOfCopies: images that are copies of each other say no more than one of them.
func TestBootstrapOfCopies(t *testing.T) {
	var once, copies []float64
	var groups []int
	for i := range 300 {
		value := float64(i%7) / 6
		once = append(once, value)
		for range 5 {
			copies, groups = append(copies, value), append(groups, i)
		}
	}
	want, _ := statistics.Bootstrap(once, nil)
	got, err := statistics.Bootstrap(copies, groups)
	if err != nil || !near(got.Low, want.Low, 1e-9) || !near(got.High, want.High, 1e-9) {
		t.Errorf("five copies of each: %+v, %v; once: %+v", got, err, want)
	}
	naive, _ := statistics.Bootstrap(copies, nil)
	if ratio := (want.High - want.Low) / (naive.High - naive.Low); ratio < 2 || ratio > 2.5 {
		t.Errorf("taken for independent they are %.2f times as sure, want sqrt(5) = 2.24", ratio)
	}
}

// TestMcNemar: by hand, 2 (1 + 6) / 2^6 = 0.21875 for 1 against 5; and scipy.stats.binomtest(25, 85).
func TestMcNemar(t *testing.T) {
	pair := func(onlyA, onlyB, both int) (a, b []bool) {
		for range onlyA {
			a, b = append(a, true), append(b, false)
		}
		for range onlyB {
			a, b = append(a, false), append(b, true)
		}
		for i := range both {
			a, b = append(a, i%2 == 0), append(b, i%2 == 0)
		}
		return a, b
	}
	for _, c := range []struct {
		onlyA, onlyB int
		want         float64
	}{{0, 0, 1}, {1, 1, 1}, {1, 0, 1}, {1, 5, 0.21875}, {5, 1, 0.21875}, {60, 25, 0.00018679938527835335}} {
		a, b := pair(c.onlyA, c.onlyB, 100)
		if got, err := statistics.McNemar(a, b); err != nil || !near(got, c.want, 1e-9*c.want) {
			t.Errorf("%d against %d: %v, %v, want %v", c.onlyA, c.onlyB, got, err, c.want)
		}
	}
	if _, err := statistics.McNemar([]bool{true}, nil); err == nil {
		t.Error("answers that do not pair: no error")
	}
}
