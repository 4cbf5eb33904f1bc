package datasets

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestShift(t *testing.T) {
	plane := []uint8{
		1, 2, 3,
		4, 5, 6}
	tests := map[string]struct {
		down, right int
		want        []uint8
	}{
		"not at all":    {0, 0, plane},
		"down":          {1, 0, []uint8{0, 0, 0, 1, 2, 3}},
		"up, right":     {-1, 1, []uint8{0, 4, 5, 0, 0, 0}},
		"left":          {0, -2, []uint8{3, 0, 0, 6, 0, 0}},
		"out, down":     {2, 0, make([]uint8, 6)},
		"out, left":     {0, -3, make([]uint8, 6)},
		"far out":       {-9, 9, make([]uint8, 6)},
		"far out, left": {9, -9, make([]uint8, 6)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			to := make([]uint8, 6)
			shift(to, plane, 3, test.down, test.right)
			if diff := cmp.Diff(test.want, to); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// altered returns an image [3, size, size] as a alters it by a seed.
func altered(a Augmentation, image []uint8, size int, seed uint64) []uint8 {
	frame := newFrame(size, size, []float32{0.5, 0.5, 0.5}, []float32{0.5, 0.5, 0.5})
	return slices.Concat(a.apply(rasterOf(image, 3, size, size), frame, newStream(seed)).planes...)
}

// apply as it is published, a pixel at a time, for crop and flip.
func TestApplyMovesAndMirrors(t *testing.T) {
	const size, crop = 8, 3
	image := shapesOf(1, size, 1).pixels(0)
	a := Augmentation{Crop: crop, Flip: true}
	seen := map[[3]int]bool{}
	for seed := range uint64(400) {
		got := altered(a, image, size, seed)
		var matches [][3]int
		for down := -crop; down <= crop; down++ {
			for right := -crop; right <= crop; right++ {
				for mirror := range 2 {
					if slices.Equal(got, moved(image, size, down, right, mirror)) {
						matches = append(matches, [3]int{down, right, mirror})
					}
				}
			}
		}
		if len(matches) != 1 {
			t.Fatalf("seed %d: %d ways lead to the result, want 1", seed, len(matches))
		}
		seen[matches[0]] = true
	}
	if want := 7 * 7 * 2; len(seen) < want*9/10 {
		t.Errorf("%d of %d ways were taken in 400 tries", len(seen), want)
	}
}

func moved(image []uint8, size, down, right, mirror int) []uint8 {
	to := make([]uint8, len(image))
	for p := range to {
		x, y, plane := p%size, p/size%size, p/(size*size)
		if mirror == 1 {
			x = size - 1 - x
		}
		x, y = x-right, y-down
		if x >= 0 && x < size && y >= 0 && y < size {
			to[p] = image[(plane*size+y)*size+x]
		}
	}
	return to
}

func TestErase(t *testing.T) {
	const size = 16
	image := make([]uint8, 3*size*size)
	erased := 0
	for seed := range uint64(300) {
		got := altered(Augmentation{Erase: 0.5}, image, size, seed)
		left, top, right, bottom := size, size, -1, -1
		for p, pixel := range got {
			if pixel != 0 {
				x, y := p%size, p/size%size
				left, top, right, bottom = min(left, x), min(top, y), max(right, x), max(bottom, y)
			}
		}
		if right < 0 {
			continue
		}
		erased++
		// Rounding of the sides may go a little beyond a third of the 256 pixels.
		if area := (right - left + 1) * (bottom - top + 1); area > 100 {
			t.Errorf("seed %d: %d pixels erased", seed, area)
		}
	}
	if erased < 120 || erased > 180 {
		t.Errorf("%d of 300 erased, want about half", erased)
	}
	// A single row leaves hardly any rectangle that fits.
	for seed := range uint64(50) {
		erase(newEmptyRaster(1, 1, 5), newStream(seed))
		erase(newEmptyRaster(1, 1, 1), newStream(seed))
	}
}

func TestAugmentationCheck(t *testing.T) {
	for want, a := range map[string]Augmentation{
		`crop "-1"`:   {Crop: -1},
		`erase "1.5"`: {Erase: 1.5},
		`erase "-1"`:  {Erase: -1},
	} {
		checkError(t, a.check(), want)
	}
}
