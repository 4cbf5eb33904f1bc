package datasets

import (
	"image"
	"image/color"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// shapesOf returns generated images; the arguments are right.
func shapesOf(n, size int, seed uint64) *Images {
	data, err := Shapes(n, size, seed)
	if err != nil {
		panic(err)
	}
	return data
}

// grey returns n grey images of 2x3 pixels, pixel p of image i having the value 10i+p.
func grey(n int) *Images {
	data := &Images{Name: "grey", Split: Train, Classes: []string{"even", "odd"},
		Height: 2, Width: 3, Channels: 1, Mean: []float32{0.5}, Std: []float32{0.25}}
	for i := range n {
		data.Labels = append(data.Labels, int32(i%2))
		for p := range 6 {
			data.Pixels = append(data.Pixels, uint8(10*i+p))
		}
	}
	return data
}

// firstPixels tells the images of grey apart.
func firstPixels(d *Images) []int {
	values := []int{}
	for i := range d.Len() {
		values = append(values, int(d.pixels(i)[0])/10)
	}
	return values
}

func TestImageGrey(t *testing.T) {
	data := grey(3)
	picture, ok := data.Image(2).(*image.Gray)
	if !ok || picture.Bounds() != image.Rect(0, 0, 3, 2) {
		t.Fatalf("image is a %T with bounds %v", data.Image(2), data.Image(2).Bounds())
	}
	if got := picture.GrayAt(1, 1).Y; got != 24 {
		t.Errorf("pixel (1, 1) is %d, want 24", got)
	}
	picture.Pix[0] = 99
	if data.Pixels[12] != 20 {
		t.Error("the image is not a copy")
	}
	if data.Label(2) != 0 || data.ClassName(1) != "odd" {
		t.Error("wrong label or class name")
	}
}

func TestImageColour(t *testing.T) {
	data := shapesOf(3, 16, 1)
	picture := data.Image(2)
	area := 16 * 16
	for p, red := range data.pixels(2)[:area] {
		want := color.NRGBA{red, data.pixels(2)[area+p], data.pixels(2)[2*area+p], 255}
		if got := picture.At(p%16, p/16); got != want {
			t.Fatalf("pixel %d is %v, want %v", p, got, want)
		}
	}
}

func TestSHA256(t *testing.T) {
	data := grey(3)
	const want = "8f4138cc9a5c6082cc4d602ca33cfe472ed808868c0cf8bdb51c38a77f781e00"
	if got := data.SHA256(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	turned := *data
	turned.Height, turned.Width = 3, 2
	relabelled := *data
	relabelled.Labels = []int32{0, 1, 1}
	for name, other := range map[string]*Images{
		"fewer": data.First(2), "turned": &turned, "relabelled": &relabelled, "shuffled": data.Shuffled(3),
	} {
		if other.SHA256() == want {
			t.Errorf("%s: the same checksum", name)
		}
	}
}

func TestFirst(t *testing.T) {
	data := grey(4)
	for n, want := range map[int][]int{-1: {}, 0: {}, 1: {0}, 3: {0, 1, 2}, 4: {0, 1, 2, 3}, 9: {0, 1, 2, 3}} {
		if diff := cmp.Diff(want, firstPixels(data.First(n))); diff != "" {
			t.Errorf("First(%d): %s", n, diff)
		}
	}
	// What is shared must not be overwritten by appending to a part of it.
	first := data.First(2)
	_ = append(first.Pixels, 99)
	_ = append(first.Labels, 99)
	if diff := cmp.Diff(grey(4), data); diff != "" {
		t.Error(diff)
	}
}

func TestSubset(t *testing.T) {
	data := grey(5)
	subset, err := data.Subset([]int{4, 0, 4})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{4, 0, 4}, firstPixels(subset)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int32{0, 0, 0}, subset.Labels); diff != "" {
		t.Error(diff)
	}
	for _, i := range []int{-1, 5} {
		_, err := data.Subset([]int{0, i})
		checkError(t, err, "grey train has no image", "take 0 to 4")
	}
}

// These orders are part of published results: they may never change.
func TestOrdersAreForEver(t *testing.T) {
	tests := map[string]struct{ got, want []int }{
		"shuffled by 1": {firstPixels(grey(10).Shuffled(1)), []int{1, 6, 0, 4, 2, 8, 5, 7, 9, 3}},
		"shuffled by 2": {firstPixels(grey(10).Shuffled(2)), []int{5, 7, 9, 3, 4, 1, 2, 8, 6, 0}},
		"held out by 1": {firstPixels(heldOut(grey(10), 0.4, 1)), []int{0, 2, 3, 6}},
		"epoch 0":       {orderOf(grey(10), 1, 0), []int{3, 0, 6, 4, 1, 7, 2, 5, 8, 9}},
		"epoch 1":       {orderOf(grey(10), 1, 1), []int{8, 1, 4, 2, 3, 9, 0, 7, 6, 5}},
	}
	for name, test := range tests {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s: %v\n%s", name, test.got, diff)
		}
	}
}

func heldOut(d *Images, fraction float64, seed uint64) *Images {
	_, held, err := d.Holdout(fraction, seed)
	if err != nil {
		panic(err)
	}
	return held
}

func orderOf(d *Images, seed uint64, epoch int) []int {
	data, err := d.Dataset(Order{BatchSize: 1, Shuffle: true, Seed: seed})
	if err != nil {
		panic(err)
	}
	return data.Indices(epoch)
}

func TestShuffledIsAPermutation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, seed := rapid.IntRange(0, 25).Draw(t, "n"), rapid.Uint64().Draw(t, "seed")
		order := firstPixels(grey(n).Shuffled(seed))
		slices.Sort(order)
		if diff := cmp.Diff(firstPixels(grey(n)), order); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestHoldout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, seed := rapid.IntRange(0, 25).Draw(t, "n"), rapid.Uint64().Draw(t, "seed")
		fraction := rapid.Float64Range(0, 1).Draw(t, "fraction")
		rest, held, err := grey(n).Holdout(fraction, seed)
		if err != nil {
			t.Fatal(err)
		}
		if want := int(math.Round(fraction * float64(n))); held.Len() != want {
			t.Fatalf("%d of %d held out, want %d", held.Len(), n, want)
		}
		if held.Split != Validation || rest.Split != Train {
			t.Fatal("wrong splits")
		}
		if !slices.IsSorted(firstPixels(rest)) || !slices.IsSorted(firstPixels(held)) {
			t.Fatal("not in the order of the original")
		}
		all := append(firstPixels(rest), firstPixels(held)...)
		slices.Sort(all)
		if diff := cmp.Diff(firstPixels(grey(n)), all); diff != "" {
			t.Fatal(diff)
		}
	})
	for _, fraction := range []float64{-0.1, 1.1, math.NaN()} {
		_, _, err := grey(4).Holdout(fraction, 1)
		checkError(t, err, "not within 0 and 1")
	}
}

// Each number must come in each place about as often as in any other.
func TestPermutationIsUniform(t *testing.T) {
	const n, times = 6, 6000
	var counts [n][n]int
	for seed := range uint64(times) {
		for place, number := range permutation(n, newStream(seed)) {
			counts[place][number]++
		}
	}
	for place := range n {
		for number := range n {
			// The standard deviation is 29; seeds are fixed, so this cannot fail by chance.
			if count := counts[place][number]; math.Abs(float64(count)-times/n) > 130 {
				t.Errorf("%d is in place %d %d times of %d", number, place, count, times)
			}
		}
	}
}

func TestShapes(t *testing.T) {
	data := shapesOf(40, 16, 7)
	if got := data.String(); got != "shapes train: 40 images, 16x16x3, 4 classes" {
		t.Error(got)
	}
	const want = "c8c6e9b7f90c2aca714453a455db576b67467b9ee5c0154cbdf4b5293d3947fb"
	if got := data.SHA256(); got != want {
		t.Errorf("checksum %s, want %s: shapes may never change", got, want)
	}
	if diff := cmp.Diff(data.First(10), shapesOf(10, 16, 7)); diff != "" {
		t.Error("an image depends on how many there are")
	}
	if shapesOf(40, 16, 8).SHA256() == want {
		t.Error("the seed changes nothing")
	}
	for _, size := range []int{8, 9, 11, 32, 64} {
		shapesOf(8, size, 1)
	}
	_, err := Shapes(-1, 16, 0)
	checkError(t, err, `number of shapes "-1"`)
	_, err = Shapes(1, 7, 0)
	checkError(t, err, `size of shapes "7"`, "take 8 or more")
}
