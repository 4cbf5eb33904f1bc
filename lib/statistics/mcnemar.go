package statistics

import (
	"fmt"

	"gonum.org/v1/gonum/stat/distuv"
)

// McNemar returns the p-value of McNemar's exact two-sided test: how likely two methods that are equally
// accurate differ on as many images as one-sidedly as these do, or more. Only images that one method
// has right and the other wrong count; of n such, min(b, c) or fewer on one side are binomial with
// probability 1/2: p = min(1, 2 P(X <= min(b, c))). Without any, p is 1. It takes images to be
// independent: it is not for images in groups. Source: McNemar, Psychometrika 12 (1947).
func McNemar(a, b []bool) (p float64, err error) {
	if len(a) != len(b) {
		return 0, fmt.Errorf("statistics: answers to %d images and to %d do not pair", len(a), len(b))
	}
	onlyA, onlyB := 0, 0
	for i := range a {
		switch {
		case a[i] && !b[i]:
			onlyA++
		case b[i] && !a[i]:
			onlyB++
		}
	}
	discordant := distuv.Binomial{N: float64(onlyA + onlyB), P: 0.5}
	if discordant.N == 0 {
		return 1, nil
	}
	return min(1, 2*discordant.CDF(float64(min(onlyA, onlyB)))), nil
}
