package result

import (
	"cmp"
	"math"
	"slices"
)

// z95 is the standard normal quantile at 0.975. It is written down rather than computed, so that a
// notebook cell need not build a statistics library for one number.
const z95 = 1.959963984540054

// Wilson returns the 95% score interval of an accuracy measured on a number of samples, both as
// fractions: where the accuracy on endlessly many images of the same kind lies, 19 times in 20.
// With no samples it is [0, 1]. Source: Wilson, JASA 22 (1927); unlike the usual normal one it stays
// within [0, 1] and has a width at 0 and 1.
func Wilson(accuracy float64, samples int) (low, high float64) {
	if samples <= 0 {
		return 0, 1
	}
	n := float64(samples)
	scale := 1 + z95*z95/n
	centre := (accuracy + z95*z95/(2*n)) / scale
	half := z95 / scale * math.Sqrt(accuracy*(1-accuracy)/n+z95*z95/(4*n*n))
	low, high = max(0, centre-half), min(1, centre+half)
	// Exactly so in the formula, off by a rounding in the machine.
	if accuracy == 0 {
		low = 0
	}
	if accuracy == 1 {
		high = 1
	}
	return low, high
}

// Pareto returns the rows that no other row beats, that is, has at most their GMACs and at least
// their accuracy, and is better in one of the two; in order of GMACs. Equal rows are all kept.
func Pareto(rows []Row) []Row {
	sorted := slices.Clone(rows)
	slices.SortStableFunc(sorted, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.GMACs, b.GMACs), cmp.Compare(b.AccuracyTop1, a.AccuracyTop1))
	})
	var front []Row
	for _, r := range sorted {
		last := len(front) - 1
		if last < 0 || r.AccuracyTop1 > front[last].AccuracyTop1 ||
			r.AccuracyTop1 == front[last].AccuracyTop1 && r.GMACs == front[last].GMACs {
			front = append(front, r)
		}
	}
	return front
}
