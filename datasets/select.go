package datasets

import (
	"fmt"
	"math"
	"slices"
)

// First returns the first n images, or all where there are fewer; none for a negative n.
func (d *Images) First(n int) *Images {
	n = max(0, min(n, d.Len()))
	size := d.imageSize()
	first := *d
	first.Pixels = d.Pixels[: n*size : n*size]
	first.Labels = d.Labels[:n:n]
	return &first
}

// Subset returns a copy of the images at the given indices, in that order; an index may come twice.
// An index outside 0..Len()-1 is an error.
func (d *Images) Subset(indices []int) (*Images, error) {
	if err := d.checkIndices(indices); err != nil {
		return nil, err
	}
	return d.subset(indices), nil
}

// Shuffled returns a copy in an order that depends on the seed and the number of images alone, the
// same on every machine and with every version of Go.
func (d *Images) Shuffled(seed uint64) *Images {
	return d.subset(permutation(d.Len(), newStream(seed, purposeShuffle)))
}

// Holdout divides the images at random, by the seed alone: the given fraction of them, rounded, is
// held back as the Validation split; rest are the others. Both keep the order of the original. A
// fraction outside 0..1 is an error.
func (d *Images) Holdout(fraction float64, seed uint64) (rest, held *Images, err error) {
	if !(fraction >= 0 && fraction <= 1) {
		return nil, nil, fmt.Errorf("datasets: fraction to hold out \"%v\" is not within 0 and 1", fraction)
	}
	order := permutation(d.Len(), newStream(seed, purposeHoldout))
	n := int(math.Round(fraction * float64(d.Len())))
	slices.Sort(order[:n])
	slices.Sort(order[n:])
	held, rest = d.subset(order[:n]), d.subset(order[n:])
	held.Split = Validation
	return rest, held, nil
}

func (d *Images) subset(indices []int) *Images {
	subset := *d
	subset.Pixels = make([]uint8, 0, len(indices)*d.imageSize())
	subset.Labels = make([]int32, len(indices))
	for k, i := range indices {
		subset.Pixels = append(subset.Pixels, d.pixels(i)...)
		subset.Labels[k] = d.Labels[i]
	}
	return &subset
}

func (d *Images) checkIndices(indices []int) error {
	for _, i := range indices {
		if i < 0 || i >= d.Len() {
			return fmt.Errorf("datasets: %s %s has no image \"%d\": take 0 to %d", d.Name, d.Split, i, d.Len()-1)
		}
	}
	return nil
}
