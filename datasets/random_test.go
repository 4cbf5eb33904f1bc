package datasets

import "testing"

// moments returns mean and variance of many numbers.
func moments(draw func(*stream) float64) (mean, variance float64) {
	const n = 20000
	s, squares := newStream(1), 0.0
	for range n {
		x := draw(s)
		mean += x / n
		squares += x * x / n
	}
	return mean, squares - mean*mean
}

func TestDistributions(t *testing.T) {
	tests := map[string]struct {
		draw           func(*stream) float64
		mean, variance float64
	}{
		"uniform":          {func(s *stream) float64 { return s.uniform(2, 4) }, 3, 4.0 / 12},
		"normal":           {(*stream).normal, 0, 1},
		"gamma of 3":       {func(s *stream) float64 { return s.gamma(3) }, 3, 3},
		"gamma of 0.8":     {func(s *stream) float64 { return s.gamma(0.8) }, 0.8, 0.8},
		"beta of 1":        {func(s *stream) float64 { return s.beta(1) }, 0.5, 1.0 / 12},
		"beta of 0.8":      {func(s *stream) float64 { return s.beta(0.8) }, 0.5, 1 / (4 * (2*0.8 + 1))},
		"beta of nearly 0": {func(s *stream) float64 { return s.beta(1e-4) }, 0.5, 0.25},
		"log-uniform":      {func(s *stream) float64 { return s.logUniform(0.5, 2) }, 1.5 / 1.3863, 1.875/1.3863 - 1.5*1.5/(1.3863*1.3863)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			mean, variance := moments(test.draw)
			if abs(mean-test.mean) > 0.03 || abs(variance-test.variance) > 0.05*max(1, test.variance) {
				t.Errorf("mean %v, variance %v, want %v and %v", mean, variance, test.mean, test.variance)
			}
		})
	}
}
