package datasets

import (
	"context"
	"errors"
	"image"
	"slices"
	"sync"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/google/go-cmp/cmp"
)

// articlesOf returns n articles of 4x4 in one channel: a ring of ink around a hole of 2x2, of value
// 10(i+1); the lower right corner has none.
func articlesOf(n int, split Split) *Images {
	data := &Images{Name: "rings", Split: split, Classes: []string{"even", "odd"},
		Height: 4, Width: 4, Channels: 1, Mean: []float32{0.5}, Std: []float32{0.25}}
	for i := range n {
		data.Labels = append(data.Labels, int32(i%2))
		v := uint8(10 * (i + 1))
		data.Pixels = append(data.Pixels,
			v, v, v, v,
			v, 0, 0, v,
			v, 0, 0, v,
			v, v, v, 0)
	}
	return data
}

func around(t *testing.T, c Clutter, articles *Images) *Cluttered {
	t.Helper()
	d, err := c.Around(articles)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// made returns the pixels of image i.
func made(d *Cluttered, i int) []uint8 {
	r, err := d.raster(i, false)
	if err != nil {
		panic(err)
	}
	return slices.Concat(r.planes...)
}

// TestClutterByHand covers, on a canvas of one size with the articles, what there is to see: the article
// on top, a piece of another through its hole and at its missing corner.
func TestClutterByHand(t *testing.T) {
	articles := articlesOf(2, Test)
	for p := range 16 {
		articles.Pixels[16+p] = 90 // the other article is ink all over
	}
	d := around(t, Clutter{Canvas: 4, Distractors: 1, Piece: 4, Clutters: 1}, articles)
	want := []uint8{
		10, 10, 10, 10,
		10, 90, 90, 10,
		10, 90, 90, 10,
		10, 10, 10, 90}
	if diff := cmp.Diff(want, made(d, 0)); diff != "" {
		t.Error(diff)
	}
	mask := d.Foreground(0)
	for p, value := range articles.Pixels[:16] {
		if mask[p] != (value > 0) {
			t.Errorf("pixel %d of value %d: foreground is %v", p, value, mask[p])
		}
	}
	for patch, want := range map[int][]float64{1: nil, 2: {0.75, 0.75, 0.75, 0.5}, 4: {11.0 / 16}} {
		got, err := d.ForegroundShares(0, patch)
		if err != nil || want != nil && !slices.Equal(got, want) || len(got) != 16/(patch*patch) {
			t.Errorf("shares of patches of %d: %v, %v; want %v", patch, got, err, want)
		}
	}
	for _, patch := range []int{0, -1, 3, 8} {
		_, err := d.ForegroundShares(0, patch)
		checkError(t, err, "does not divide into patches")
	}
	bare := around(t, Clutter{Canvas: 4, Piece: 1, Clutters: 1}, articles)
	if diff := cmp.Diff(articles.Pixels[:16], made(bare, 0)); diff != "" {
		t.Error("without distractors:", diff)
	}
}

// TestClutterProperties: each image is the article at its place and pieces of others around it; the
// mask is the article's ink, and no distractor hides any of it.
func TestClutterProperties(t *testing.T) {
	articles := articlesOf(5, Test)
	d := around(t, Clutter{Canvas: 11, Distractors: 6, Piece: 2, Clutters: 40, Seed: 3}, articles)
	places, pieces := map[image.Point]int{}, map[[2]int]bool{}
	for i := range d.Len() {
		article, clutter := d.Article(i)
		if article != i%5 || clutter != i/5 || d.Label(i) != article%2 {
			t.Fatalf("image %d is article %d in clutter %d with label %d", i, article, clutter, d.Label(i))
		}
		pixels, mask, place := made(d, i), d.Foreground(i), d.Place(i)
		if !place.In(image.Rect(0, 0, 11, 11)) || place.Size() != image.Pt(4, 4) {
			t.Fatalf("image %d: the article stands at %v", i, place)
		}
		places[place.Min]++
		ink := 0
		for p, value := range pixels {
			own := int(value) == 10*(article+1)
			if own != mask[p] {
				t.Fatalf("image %d: pixel %d is %d, foreground is %v: a piece is of the article itself, or hides it", i, p, value, mask[p])
			}
			if value%10 != 0 || value > 50 {
				t.Fatalf("image %d: pixel %d is %d, of no article", i, p, value)
			}
			if own {
				ink++
			} else if value > 0 {
				pieces[[2]int{article, int(value)}] = true
			}
		}
		if ink != 11 {
			t.Errorf("image %d: %d of the article's 11 pixels are there", i, ink)
		}
	}
	if len(pieces) != 5*4 {
		t.Errorf("%d pairs of an article and one that its distractors are cut from, want 5*4", len(pieces))
	}
	// 200 images on 64 places: each is empty with a probability of 4%.
	if len(places) < 50 {
		t.Errorf("the articles stand at %d places of 64", len(places))
	}
}

// TestClutterIsForEver: images are part of published results, they may never change.
func TestClutterIsForEver(t *testing.T) {
	c := Clutter{Canvas: 9, Distractors: 3, Piece: 2, Clutters: 2, Seed: 1}
	const want = "4895e6fb451b4f9ed8a6062618f6529560f6dc2647508a5640777390e73e72a4"
	if got := around(t, c, articlesOf(4, Test)).SHA256(); got != want {
		t.Errorf("checksum %s, want %s", got, want)
	}
	harder, reseeded := c, c
	harder.Distractors++
	reseeded.Seed++
	for name, other := range map[string]*Cluttered{
		"harder": around(t, harder, articlesOf(4, Test)), "reseeded": around(t, reseeded, articlesOf(4, Test)),
		"validation": around(t, c, articlesOf(4, Validation)), "fewer": around(t, c, articlesOf(4, Test)).First(7),
	} {
		if other.SHA256() == want {
			t.Errorf("%s: the same checksum", name)
		}
	}
}

// TestClutterDependsOnIndexAlone: not on how many images or clutters there are, the size of a batch, or
// goroutines.
func TestClutterDependsOnIndexAlone(t *testing.T) {
	c := Clutter{Canvas: 12, Distractors: 4, Piece: 3, Clutters: 3, Seed: 9}
	d := around(t, c, articlesOf(7, Test))
	c.Clutters = 5
	more := around(t, c, articlesOf(7, Test))
	if d.Len() != 21 || more.Len() != 35 || d.First(8).Len() != 8 || d.First(-1).Len() != 0 || d.First(99).Len() != 21 {
		t.Errorf("%v, %v", d, more)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := d.Len() - 1; i >= 0; i-- {
				if !slices.Equal(made(d, i), made(more, i)) || !slices.Equal(made(d, i), made(d.First(i+1), i)) {
					t.Errorf("image %d depends on what there is beside it", i)
				}
			}
		})
	}
	all.Wait()
	frame := d.frame()
	want := make([]float32, 21*144)
	for i := range 21 {
		image, _ := d.raster(i, false)
		frame.normalise(want[i*144:(i+1)*144], image)
	}
	for _, size := range []int{1, 4, 21, 0} {
		var got []float32
		var labels []int
		for batch, err := range d.Stream(t.Context(), size) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, batch.Images...)
			for _, label := range batch.Labels {
				labels = append(labels, int(label))
			}
		}
		if !slices.Equal(got, want) || len(labels) != 21 || labels[8] != d.Label(8) {
			t.Errorf("batches of %d: other images", size)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range d.Stream(ctx, 4) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}

// TestClutterOfEpochs: training images are in new clutter each epoch, which does not depend on the
// step that a run begins at; fixed ones and those of other splits are in one.
func TestClutterOfEpochs(t *testing.T) {
	epochs := func(split Split, fixed bool, start int) (all [][]float32) {
		d := around(t, Clutter{Canvas: 12, Distractors: 4, Piece: 3, Clutters: 1, Fixed: fixed, Seed: 5}, articlesOf(6, split))
		data, err := d.Dataset(Order{BatchSize: 3, Endless: true, Start: start})
		if err != nil {
			t.Fatal(err)
		}
		for batch, err := range data.Iter() {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, tensors.MustCopyFlatData[float32](batch.Inputs[0]))
			if start+len(all) == 6 { // three epochs
				break
			}
		}
		return all
	}
	fresh := epochs(Train, false, 0)
	for name, pair := range map[string][2]int{"the first batch": {0, 2}, "the second": {1, 3}, "two epochs on": {0, 4}} {
		if slices.Equal(fresh[pair[0]], fresh[pair[1]]) {
			t.Errorf("%s: the clutter is that of the epoch before", name)
		}
	}
	if diff := cmp.Diff(fresh[3:], epochs(Train, false, 3)); diff != "" {
		t.Error("resumed, the clutter is another")
	}
	fixed := epochs(Train, true, 0)
	for name, all := range map[string][][]float32{"fixed": fixed, "test": epochs(Test, false, 0)} {
		if !slices.Equal(all[0], all[2]) || !slices.Equal(all[1], all[5]) {
			t.Errorf("%s: the clutter changes", name)
		}
	}
	if !slices.Equal(fixed[0], fresh[0]) {
		t.Error("the fixed clutter is not that of the first epoch")
	}
}

func TestClutterMisfits(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Clutter)
		want   string
	}{
		"canvas":      {func(c *Clutter) { c.Canvas = 3; c.Piece = 1 }, "canvas is 3, want 4 or more"},
		"piece":       {func(c *Clutter) { c.Piece = 5 }, "piece is 5, want 1 to 4"},
		"distractors": {func(c *Clutter) { c.Distractors = -1 }, "distractors is -1"},
		"clutters":    {func(c *Clutter) { c.Clutters = 0 }, "clutters is 0, want 1 to 1000"},
	} {
		t.Run(name, func(t *testing.T) {
			clutter := Clutter{Canvas: 8, Distractors: 2, Piece: 2, Clutters: 1}
			c.change(&clutter)
			_, err := clutter.Around(articlesOf(3, Test))
			checkError(t, err, c.want)
		})
	}
	clutter := Clutter{Canvas: 8, Distractors: 2, Piece: 2, Clutters: 1}
	_, err := clutter.Around(articlesOf(1, Test))
	checkError(t, err, "no other to cut them from")
	if empty := around(t, clutter, articlesOf(0, Test)); empty.Len() != 0 {
		t.Errorf("%v", empty)
	}
}
