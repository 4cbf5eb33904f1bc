package result

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// TestStudent: by hand, 1, 2 and 3 have mean 2, standard error 1/sqrt(3), and t of 2 degrees is 4.302653.
func TestStudent(t *testing.T) {
	mean, low, high := Student([]float64{3, 1, 2})
	if half := 4.302653 / math.Sqrt(3); math.Abs(mean-2) > 1e-12 || math.Abs(high-2-half) > 1e-6 || math.Abs(2-half-low) > 1e-6 {
		t.Errorf("%g, %g to %g, want 2 ± %g", mean, low, high, half)
	}
	if mean, low, high := Student([]float64{7}); mean != 7 || !math.IsInf(low, -1) || !math.IsInf(high, 1) {
		t.Errorf("of one value: %g, %g to %g", mean, low, high)
	}
	for freedom := 1; freedom <= 40; freedom++ {
		want := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(freedom)}.Quantile(0.975)
		if got := t95(freedom); math.Abs(got-want) > 3e-4 {
			t.Errorf("t of %d degrees is %g, want %g", freedom, got, want)
		}
	}
}

// TestSeriesOfSeeds: rows that differ in the seed of a method that draws are one line.
func TestSeriesOfSeeds(t *testing.T) {
	rows := []Row{
		{Model: "m", Method: "random-fusion", Fusion: fusion(`{"r":3,"seed":0,"proportional_attention":true}`)},
		{Model: "m", Method: "random-fusion", Fusion: fusion(`{"r":3,"seed":1,"proportional_attention":true}`), Seed: 1},
	}
	for i, name := range Series(rows) {
		if name != "random-fusion" {
			t.Errorf("row %d is of %q", i, name)
		}
	}
}
