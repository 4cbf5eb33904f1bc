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

// Student returns the mean of values, one of each seed, and the 95% interval of what the mean over endlessly
// many seeds is, by Student's t; unbounded for one value. Quantiles are exact to 1e-4: of up to four
// degrees of freedom written down, beyond by the expansion of Abramowitz and Stegun 26.7.5, for the
// reason of z95.
func Student(values []float64) (mean, low, high float64) {
	n := float64(len(values))
	for _, v := range values {
		mean += v / n
	}
	if n < 2 {
		return mean, math.Inf(-1), math.Inf(1)
	}
	squares := 0.0
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	half := t95(len(values)-1) * math.Sqrt(squares/(n-1)/n)
	return mean, mean - half, mean + half
}

// t95 is the quantile at 0.975 of Student's t.
func t95(freedom int) float64 {
	first := []float64{12.706205, 4.302653, 3.182446, 2.776445}
	if freedom <= len(first) {
		return first[freedom-1]
	}
	const z = z95
	v := float64(freedom)
	z3, z5, z7, z9 := math.Pow(z, 3), math.Pow(z, 5), math.Pow(z, 7), math.Pow(z, 9)
	return z + (z3+z)/(4*v) + (5*z5+16*z3+3*z)/(96*v*v) + (3*z7+19*z5+17*z3-15*z)/(384*v*v*v) +
		(79*z9+776*z7+1482*z5-1920*z3-945*z)/(92160*v*v*v*v)
}
