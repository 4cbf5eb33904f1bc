package statistics

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Resamples is how often Bootstrap draws: the bounds then vary from seed to seed by about a fiftieth of
// the interval's length.
const Resamples = 10_000

// bootstrapSeed makes an interval the same whenever it is computed.
const bootstrapSeed = 20260101

// Bootstrap returns the 95% percentile interval of the mean of values, one of each image: what the mean
// would be on other images of the same kind. Of values that are differences between two methods on the
// same image, it is the interval of the difference (paired); a difference whose interval holds 0 is
// none.
//
// groups names what each image shows; nil, each image is a thing of its own. Images of one group are no
// independent evidence, so whole groups are drawn, with all their images: as many groups as there are,
// with replacement, and the mean is over the images drawn. Source: Efron and Tibshirani, An Introduction
// to the Bootstrap (1993), chapter 13; of clusters Davison and Hinkley (1997), section 3.8.
//
// Only how many groups of each kind (sum and number of images) are drawn matters, and those numbers are
// multinomial: they are drawn as such, which is exact and takes no time. No values, or a number of
// groups other than that of values, are an error.
func Bootstrap(values []float64, groups []int) (Interval, error) {
	if len(values) == 0 {
		return Interval{}, fmt.Errorf("statistics: no images to draw from")
	}
	if groups != nil && len(groups) != len(values) {
		return Interval{}, fmt.Errorf("statistics: groups of %d images for values of %d", len(groups), len(values))
	}
	kinds, total := kindsOf(values, groups)
	source := rand.NewPCG(bootstrapSeed, uint64(total))
	means := make([]float64, Resamples)
	for i := range means {
		means[i] = resample(kinds, total, source)
	}
	slices.Sort(means)
	return Interval{stat.Quantile(0.025, stat.Empirical, means, nil), stat.Quantile(0.975, stat.Empirical, means, nil)}, nil
}

// kind is groups that cannot be told apart: by the sum of their values and the number of their images.
type kind struct {
	sum    float64
	images int
	groups int // how many there are
}

// kindsOf counts the groups of each kind, in an order that depends on the values alone.
func kindsOf(values []float64, groups []int) (kinds []kind, total int) {
	type content struct {
		sum    float64
		images int
	}
	counts := map[content]int{}
	if groups == nil {
		for _, v := range values {
			counts[content{v, 1}]++
		}
		total = len(values)
	} else {
		each := map[int]content{}
		for i, v := range values {
			c := each[groups[i]]
			each[groups[i]] = content{c.sum + v, c.images + 1}
		}
		for _, c := range each {
			c.sum = math.Round(c.sum*1e12) / 1e12 // sums of thirds in another order are the same kind
			counts[c]++
		}
		total = len(each)
	}
	for c, n := range counts {
		kinds = append(kinds, kind{c.sum, c.images, n})
	}
	slices.SortFunc(kinds, func(a, b kind) int { return cmp.Or(cmp.Compare(a.sum, b.sum), cmp.Compare(a.images, b.images)) })
	return kinds, total
}

// resample draws as many groups as there are, kind by kind, and returns the mean over their images.
func resample(kinds []kind, total int, source rand.Source) float64 {
	sum, images := 0.0, 0.0
	toDraw, left := float64(total), float64(total) // left: groups of this kind and those that follow
	for _, k := range kinds {
		if toDraw == 0 {
			break
		}
		drawn := toDraw
		if share := float64(k.groups) / left; share < 1 {
			drawn = distuv.Binomial{N: toDraw, P: share, Src: source}.Rand()
		}
		sum += drawn * k.sum
		images += drawn * float64(k.images)
		toDraw -= drawn
		left -= float64(k.groups)
	}
	return sum / images
}
