// Package statistics says how sure a result is: over seeds ([Seeds]), over the images it was measured on
// ([Bootstrap]), and of two methods on the same images ([McNemar]). It works on plain numbers; package
// ablation applies it to rows. Wilson's interval of one accuracy is in package result, which builds
// without a library of distributions.
package statistics

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is a 95% interval: 19 of 20 made like it hold the true value.
type Interval struct{ Low, High float64 }

// Excludes reports whether a value lies outside; the bounds lie inside.
func (i Interval) Excludes(value float64) bool { return value < i.Low || value > i.High }

// Spread is the mean of a measurement over seeds, and how far it varies.
type Spread struct {
	Mean float64
	// Deviation is the sample standard deviation, with n - 1 below the sum of squares; 0 for one value.
	Deviation float64
	// Interval is that of the mean by Student's t distribution with n - 1 degrees of freedom, mean ±
	// t(0.975) deviation / sqrt(n). One value says nothing of how it varies: from -Inf to +Inf. It
	// takes the values to be normal and independent; seeds that change nothing are not independent.
	Interval Interval
}

// Seeds returns the spread of a measurement, one value a seed; of no values, NaN.
func Seeds(values []float64) Spread {
	switch len(values) {
	case 0:
		nan := math.NaN()
		return Spread{nan, nan, Interval{nan, nan}}
	case 1:
		return Spread{values[0], 0, Interval{math.Inf(-1), math.Inf(1)}}
	}
	mean, deviation := stat.MeanStdDev(values, nil)
	n := float64(len(values))
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(0.975)
	half := t * deviation / math.Sqrt(n)
	return Spread{mean, deviation, Interval{mean - half, mean + half}}
}
