package datasets

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBatch(t *testing.T) {
	data := shapesOf(6, 8, 1)
	data.Mean, data.Std = []float32{0.1, 0.2, 0.3}, []float32{0.5, 0.25, 2}
	batch, err := data.Batch([]int{5, 2})
	if err != nil {
		t.Fatal(err)
	}
	if batch.N != 2 || len(batch.Images) != 2*3*8*8 {
		t.Fatalf("%d images in %d values", batch.N, len(batch.Images))
	}
	if diff := cmp.Diff([]int32{1, 2}, batch.Labels); diff != "" {
		t.Error(diff)
	}
	for k, i := range []int{5, 2} {
		for p, pixel := range data.pixels(i) {
			c := p / 64
			want := (float64(pixel)/255 - float64(data.Mean[c])) / float64(data.Std[c])
			if got := float64(batch.Images[k*3*64+p]); math.Abs(got-want) > 1e-6 {
				t.Fatalf("value %d of image %d is %v, want %v", p, i, got, want)
			}
		}
	}
	for _, i := range []int{-1, 6} {
		_, err := data.Batch([]int{i})
		checkError(t, err, "has no image")
	}
}

func TestBatches(t *testing.T) {
	data := grey(7)
	tests := map[string]struct {
		size int
		want []int
	}{
		"one at a time":   {1, []int{1, 1, 1, 1, 1, 1, 1}},
		"with remainder":  {3, []int{3, 3, 1}},
		"all":             {7, []int{7}},
		"more than all":   {100, []int{7}},
		"zero: all":       {0, []int{7}},
		"negative: as 0 ": {-3, []int{7}},
	}
	whole, err := data.Batch([]int{0, 1, 2, 3, 4, 5, 6})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var sizes []int
			joined := Batch{N: 7}
			for batch := range data.Batches(test.size) {
				sizes = append(sizes, batch.N)
				joined.Images = append(joined.Images, batch.Images...)
				joined.Labels = append(joined.Labels, batch.Labels...)
			}
			if diff := cmp.Diff(test.want, sizes); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(whole, joined); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("left early", func(t *testing.T) {
		for range data.Batches(2) {
			break
		}
	})
	t.Run("no images", func(t *testing.T) {
		for range data.First(0).Batches(0) {
			t.Error("a batch of nothing")
		}
	})
}

func TestStatistics(t *testing.T) {
	data := &Images{Height: 1, Width: 2, Channels: 2, Labels: []int32{0, 0},
		Pixels: []uint8{0, 255, 51, 51, 255, 0, 51, 51}}
	mean, std := data.Statistics()
	if diff := cmp.Diff([][]float64{{0.5, 0.2}, {0.5, 0}}, [][]float64{mean, std}); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkBatches(b *testing.B) {
	data := benchmarkImages()
	for b.Loop() {
		for range data.Batches(64) {
		}
	}
	reportImages(b, data)
}

// benchmarkImages returns as many bytes as 4096 images of Fashion-MNIST.
func benchmarkImages() *Images {
	return &Images{Name: "benchmark", Split: Train, Classes: []string{"one"}, Height: 28, Width: 28, Channels: 1,
		Pixels: counting(4096 * 28 * 28), Labels: make([]int32, 4096), Mean: []float32{0.5}, Std: []float32{0.5}}
}

func reportImages(b *testing.B, data *Images) {
	b.ReportMetric(float64(b.N)*float64(data.Len())/b.Elapsed().Seconds(), "images/s")
}
