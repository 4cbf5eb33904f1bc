package datasets

import (
	"fmt"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/google/go-cmp/cmp"
)

// fed is a batch as plain values.
type fed struct {
	Inputs      []float32
	Labels      []int32
	InputShape  string
	LabelsShape string
}

// take returns the first n batches of one iteration, or all where there are fewer.
func take(t *testing.T, d train.Dataset, n int) []fed {
	t.Helper()
	var batches []fed
	for batch, err := range d.Iter() {
		if err != nil {
			t.Fatal(err)
		}
		inputs, labels := batch.Inputs[0], batch.Labels[0]
		batches = append(batches, fed{
			tensors.MustCopyFlatData[float32](inputs), tensors.MustCopyFlatData[int32](labels),
			inputs.Shape().String(), labels.Shape().String(),
		})
		if err := batch.Finalize(); err != nil {
			t.Fatal(err)
		}
		if len(batches) == n {
			break
		}
	}
	return batches
}

func feedOf(t *testing.T, images *Images, order Order) *Dataset {
	t.Helper()
	d, err := images.Dataset(order)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDatasetInOrder(t *testing.T) {
	images := shapesOf(10, 8, 1)
	d := feedOf(t, images, Order{BatchSize: 4})
	got := take(t, d, 100)
	if len(got) != 3 || d.StepsPerEpoch() != 3 {
		t.Fatalf("%d batches, %d steps", len(got), d.StepsPerEpoch())
	}
	step := 0
	for batch := range images.Batches(4) {
		want := fed{batch.Images, batch.Labels,
			fmt.Sprintf("(Float32)[%d, 3, 8, 8]", batch.N), fmt.Sprintf("(Int32)[%d, 1]", batch.N)}
		if diff := cmp.Diff(want, got[step]); diff != "" {
			t.Error(diff)
		}
		step++
	}
	if d.Name() != "shapes train" || d.ShortName() != "train" {
		t.Error("wrong names")
	}
	if got := take(t, feedOf(t, images, Order{BatchSize: 4, DropRemainder: true}), 100); len(got) != 2 {
		t.Errorf("%d batches without the remainder, want 2", len(got))
	}
}

// everything is the order that depends on most.
var everything = Order{BatchSize: 3, Shuffle: true, Seed: 5, Augment: Augmentation{Crop: 2, Flip: true, Erase: 0.5}}

func TestDatasetEpochs(t *testing.T) {
	images := shapesOf(10, 8, 1)
	d := feedOf(t, images, everything)
	var epochs [][]fed
	for range 3 {
		epochs = append(epochs, take(t, d, 100))
	}
	if cmp.Equal(epochs[0], epochs[1]) || cmp.Equal(epochs[1], epochs[2]) {
		t.Error("two epochs are equal")
	}
	d.Reset()
	for epoch := range 3 {
		if diff := cmp.Diff(epochs[epoch], take(t, d, 100)); diff != "" {
			t.Errorf("epoch %d differs after Reset", epoch)
		}
	}
	// An endless dataset gives the same, without end.
	endless := everything
	endless.Endless = true
	d = feedOf(t, images, endless)
	want := append(append(append([]fed{}, epochs[0]...), epochs[1]...), epochs[2]...)
	for range 2 {
		if diff := cmp.Diff(want, take(t, d, len(want))); diff != "" {
			t.Error("endless: other batches")
		}
	}
}

func TestDatasetResumes(t *testing.T) {
	images := shapesOf(10, 8, 1)
	for _, drop := range []bool{false, true} {
		order := everything
		order.Endless, order.DropRemainder = true, drop
		want := take(t, feedOf(t, images, order), 14)
		for start := range 12 {
			order.Start = start
			if diff := cmp.Diff(want[start:], take(t, feedOf(t, images, order), 14-start)); diff != "" {
				t.Errorf("resumed at step %d: other batches", start)
			}
		}
	}
	// Epoch by epoch, too: the rest of the epoch, then the whole next.
	order := everything
	uninterrupted := feedOf(t, images, order)
	first, second := take(t, uninterrupted, 100), take(t, uninterrupted, 100)
	order.Start = 2
	resumed := feedOf(t, images, order)
	if diff := cmp.Diff(first[2:], take(t, resumed, 100)); diff != "" {
		t.Error("other rest of the epoch")
	}
	if diff := cmp.Diff(second, take(t, resumed, 100)); diff != "" {
		t.Error("other next epoch")
	}
}

// How an image is altered does not depend on the batch it is in.
func TestAugmentationDependsOnTheImage(t *testing.T) {
	images := shapesOf(6, 8, 1)
	one, all := everything, everything
	one.BatchSize, all.BatchSize = 1, 6
	var joined []float32
	for _, batch := range take(t, feedOf(t, images, one), 100) {
		joined = append(joined, batch.Inputs...)
	}
	if diff := cmp.Diff(take(t, feedOf(t, images, all), 1)[0].Inputs, joined); diff != "" {
		t.Error("an image alone is altered in another way")
	}
}

func TestDatasetRefuses(t *testing.T) {
	images := grey(4)
	tests := map[string]struct {
		images *Images
		order  Order
		want   string
	}{
		"batch size 0":    {images, Order{}, `batch size "0" is not positive`},
		"negative start":  {images, Order{BatchSize: 1, Start: -1}, `step to start at "-1"`},
		"no images":       {images.First(0), Order{BatchSize: 1}, "holds no images"},
		"no whole batch":  {images, Order{BatchSize: 5, DropRemainder: true}, `batch size "5" exceeds the 4 images`},
		"bad augment":     {images, Order{BatchSize: 1, Augment: Augmentation{Crop: -2}}, `crop "-2"`},
		"bad probability": {images, Order{BatchSize: 1, Augment: Augmentation{Erase: 2}}, `erase "2"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := test.images.Dataset(test.order)
			checkError(t, err, test.want)
		})
	}
}

func BenchmarkDataset(b *testing.B) {
	data := benchmarkImages()
	for name, augment := range map[string]Augmentation{
		"plain": {}, "crop+flip": {Crop: 2, Flip: true}, "crop+flip+erase": {Crop: 2, Flip: true, Erase: 0.25},
	} {
		b.Run(name, func(b *testing.B) {
			d, err := data.Dataset(Order{BatchSize: 64, Shuffle: true, Augment: augment})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				for batch := range d.Iter() {
					batch.Finalize()
				}
			}
			reportImages(b, data)
		})
	}
}
