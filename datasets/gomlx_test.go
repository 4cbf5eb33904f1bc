package datasets

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"runtime"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/google/go-cmp/cmp"
)

// fed is a batch as plain values.
type fed struct {
	Inputs      []float32
	Labels      []int32
	Targets     []float32
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
		one := fed{Inputs: tensors.MustCopyFlatData[float32](inputs), InputShape: inputs.Shape().String(), LabelsShape: labels.Shape().String()}
		if labels.DType() == dtypes.Float32 {
			one.Targets = tensors.MustCopyFlatData[float32](labels)
		} else {
			one.Labels = tensors.MustCopyFlatData[int32](labels)
		}
		batches = append(batches, one)
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
	return datasetOf(t, images, order)
}

func datasetOf(t *testing.T, source Source, order Order) *Dataset {
	t.Helper()
	d, err := source.Dataset(order)
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
		want := fed{batch.Images, batch.Labels, nil,
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
		"bad noise":       {images, Order{BatchSize: 1, Augment: Augmentation{EraseNoise: -1}}, `erase with noise "-1"`},
		"bad magnitude":   {images, Order{BatchSize: 1, Augment: Augmentation{RandAugment: RandAugment{2, 11, 0}}}, `magnitude "11"`},
		"bad operations":  {images, Order{BatchSize: 1, Augment: Augmentation{RandAugment: RandAugment{-2, 9, 0}}}, `"-2" operations`},
		"bad deviation":   {images, Order{BatchSize: 1, Augment: Augmentation{RandAugment: RandAugment{2, 9, -1}}}, `deviation "-1"`},
		"bad mixup":       {images, Order{BatchSize: 1, Augment: Augmentation{Mix: Mix{Mixup: -1}}}, `alpha of mixup "-1"`},
		"bad cutmix":      {images, Order{BatchSize: 1, Augment: Augmentation{Mix: Mix{CutMix: 200}}}, `alpha of cutmix "200"`},
		"bad probability": {images, Order{BatchSize: 1, Augment: Augmentation{Erase: 2}}, `erase "2"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := test.images.Dataset(test.order)
			checkError(t, err, test.want)
		})
	}
}

// What models were trained on: these batches may never change.
func TestBatchesAreForEver(t *testing.T) {
	for want, order := range map[string]Order{
		"d7ad75341c145de4fde5ea45b777e5606e17bb16b4c73c8592b7126cbc129c78": {BatchSize: 7, Shuffle: true, Seed: 3, Augment: Augmentation{Flip: true}},
		"6fe7be599339ab192686dc98e65191389869e7a215fa76b868b8e4e05334fdad": {BatchSize: 7, Shuffle: true, Seed: 3, Augment: Augmentation{Crop: 2, Flip: true, Erase: 0.5}},
		"793805a5e75a9eddc75c6eb2f57323eb5fdf329a70f1f884f337ce64b03972dc": {BatchSize: 7, Augment: Augmentation{Erase: 1}},
		"7bef7f387e3728aab5b2ef7777fb1719bd6da407d5c212a8c2f23eb063ffebcb": {BatchSize: 7},
	} {
		sum := sha256.New()
		for _, batch := range take(t, feedOf(t, shapesOf(20, 16, 1), order), 100) {
			binary.Write(sum, binary.LittleEndian, batch.Inputs)
			binary.Write(sum, binary.LittleEndian, batch.Labels)
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != want {
			t.Errorf("%+v: SHA-256 %s, want %s", order, got, want)
		}
	}
}

// All of DeiT's augmentation, of images in memory and of pictures: a resumed run sees the same batches,
// on any number of processors.
func TestDeiTResumes(t *testing.T) {
	noGoroutinesLeft(t)
	pictures, err := Folder(imagenet(t), Validation, smallInput)
	if err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]Source{"images": shapesOf(10, 8, 1), "pictures": pictures} {
		t.Run(name, func(t *testing.T) {
			order := Order{BatchSize: 4, Shuffle: true, Seed: 7, Endless: true, DropRemainder: true, Augment: DeiTAugmentation()}
			want := take(t, datasetOf(t, source, order), 7)
			classes := len(source.About().Classes)
			for step, batch := range want {
				if batch.LabelsShape != fmt.Sprintf("(Float32)[4, %d]", classes) || batch.InputShape != "(Float32)[4, 3, 8, 8]" {
					t.Fatalf("step %d: %s, %s", step, batch.InputShape, batch.LabelsShape)
				}
				for k := range 4 {
					sum := 0.0
					for _, share := range batch.Targets[k*classes : (k+1)*classes] {
						sum += float64(share)
					}
					if abs(sum-1) > 1e-6 {
						t.Errorf("step %d: a target sums to %v", step, sum)
					}
				}
				for other := range step {
					if cmp.Equal(want[other].Inputs, batch.Inputs) {
						t.Errorf("steps %d and %d have the same images", other, step)
					}
				}
			}
			for _, start := range []int{1, 3, 5} {
				order.Start = start
				old := runtime.GOMAXPROCS(1 + start)
				got := take(t, datasetOf(t, source, order), 7-start)
				runtime.GOMAXPROCS(old)
				if !cmp.Equal(want[start:], got) {
					t.Errorf("resumed at step %d: other batches", start)
				}
			}
		})
	}
}

// Without augmentation, pictures come as Stream has them.
func TestPicturesDataset(t *testing.T) {
	pictures, err := Folder(imagenet(t), Validation, smallInput)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := collect(t, pictures, 7)
	got := take(t, datasetOf(t, pictures, Order{BatchSize: 7}), 9)
	if len(got) != 1 || !cmp.Equal(got[0].Inputs, want.Images) || !cmp.Equal(got[0].Labels, want.Labels) {
		t.Error("other batches")
	}
	bad := *pictures
	bad.Input.Mean = nil
	_, err = bad.Dataset(Order{BatchSize: 1})
	checkError(t, err, "transform has mean")
}

// EraseNoise: a rectangle of normal noise in half of the images, of 2 to 33.3 percent of the area.
func TestEraseNoise(t *testing.T) {
	const size = 32
	frame := newFrame(size, size, []float32{0.5, 0.5}, []float32{0.5, 0.5})
	erased, values := 0, []float64{}
	for seed := range uint64(400) {
		image := make([]float32, frame.size())
		for p := range image {
			image[p] = 9 // no normal number
		}
		Augmentation{EraseNoise: 0.5}.eraseNoise(image, frame, newStream(seed))
		left, top, right, bottom, n := size, size, -1, -1, 0
		for p, v := range image {
			if v == 9 {
				continue
			}
			values = append(values, float64(v))
			x, y := p%size, p/size%size
			left, top, right, bottom, n = min(left, x), min(top, y), max(right, x), max(bottom, y), n+1
		}
		if n == 0 {
			continue
		}
		erased++
		h, w := bottom-top+1, right-left+1
		if share, ratio := float64(h*w)/(size*size), float64(h)/float64(w); n != 2*h*w || share < 0.01 || share > 0.37 || ratio < 0.2 || ratio > 5 {
			t.Errorf("seed %d: %d values in %dx%d", seed, n, h, w)
		}
	}
	if erased < 160 || erased > 240 {
		t.Errorf("%d of 400 erased, want about half", erased)
	}
	mean, squares := 0.0, 0.0
	for _, v := range values {
		mean += v / float64(len(values))
		squares += v * v / float64(len(values))
	}
	if abs(mean) > 0.05 || abs(squares-1) > 0.05 {
		t.Errorf("noise of mean %v and mean square %v, want 0 and 1", mean, squares)
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
