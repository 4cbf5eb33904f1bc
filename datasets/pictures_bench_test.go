package datasets

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// photos is a folder of n JPEGs of ImageNet's usual size, 500x375, of about 100 kB each, for benchmarks.
func photos(b *testing.B, n int) *Pictures {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "photos")
	for i := range n {
		picture, random := image.NewNRGBA(image.Rect(0, 0, 500, 375)), newStream(uint64(i))
		for y := range 375 {
			for x := range 500 {
				wave := func(period float64) uint8 {
					return uint8(110 + 90*math.Sin(float64(x+i)/period)*math.Cos(float64(y)/period) + float64(random.below(40)))
				}
				picture.SetNRGBA(x, y, color.NRGBA{wave(9), wave(31), wave(70), 255})
			}
		}
		var file bytes.Buffer
		if err := jpeg.Encode(&file, picture, &jpeg.Options{Quality: 90}); err != nil {
			b.Fatal(err)
		}
		class := filepath.Join(dir, fmt.Sprintf("n%02d", i%4))
		if err := os.MkdirAll(class, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(class, fmt.Sprintf("%d.JPEG", i)), file.Bytes(), 0o644); err != nil {
			b.Fatal(err)
		}
		if i == 0 {
			b.Logf("%d bytes each", file.Len())
		}
	}
	pictures, err := Folder(dir, Train, Transform{Resize: 256, Height: 224, Width: 224, Channels: 3,
		Mean: []float64{0.485, 0.456, 0.406}, Std: []float64{0.229, 0.224, 0.225}})
	if err != nil {
		b.Fatal(err)
	}
	return pictures
}

// BenchmarkPictures is how many ImageNet-size JPEGs a second are decoded, made the input of a model at
// 224x224, and augmented as for DeiT, by one goroutine and by the loader on all processors:
//
//	go test -run XXX -bench Pictures ./datasets
//
// On 2 cores of an AMD EPYC that 7 other jobs used at the same time (load 5 to 14), images per second of
// a core's time, which the load changes little, were: decoding 200, evaluation 115, resized crop 125, all
// of DeiT's augmentation 100; through the loader 112 for evaluation and 98 for DeiT's augmentation. By the
// clock the loader gave 28 to 33, having about a third of a core. Images in memory (go test -run XXX -bench
// 'Dataset|Batches' ./datasets, 28x28) came at 150000 to 370000 a second. Training DeiT-S takes well below 30 images a
// second there, a third of a core's work: loading is not the limit. It would be one next to a GPU that
// trains on thousands, which wants some ten cores for each thousand.
func BenchmarkPictures(b *testing.B) {
	pictures := photos(b, 64)
	frame := pictures.frame()
	to := make([]float32, frame.size())
	for name, one := range map[string]func(i int) error{
		"decode, one core": func(i int) error { _, err := pictures.Image(i); return err },
		"evaluation, one core": func(i int) error {
			image, err := pictures.raster(i, false)
			frame.normalise(to, image)
			return err
		},
		"resized crop, one core": func(i int) error {
			image, err := pictures.raster(i, true)
			frame.normalise(to, Augmentation{ResizedCrop: InceptionCrop(), Flip: true}.apply(image, frame, newStream(uint64(i))))
			return err
		},
		"DeiT, one core": func(i int) error {
			image, err := pictures.raster(i, true)
			random := newStream(uint64(i))
			frame.normalise(to, DeiTAugmentation().apply(image, frame, random))
			DeiTAugmentation().eraseNoise(to, frame, random)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			n, began := 0, cpuTime(b)
			for b.Loop() {
				if err := one(n % pictures.Len()); err != nil {
					b.Fatal(err)
				}
				n++
			}
			reportRate(b, n, began)
		})
	}
	b.Run("evaluation, loader", func(b *testing.B) {
		n, began := 0, cpuTime(b)
		for b.Loop() {
			for batch, err := range pictures.Stream(b.Context(), 32) {
				if err != nil {
					b.Fatal(err)
				}
				n += batch.N
			}
		}
		reportRate(b, n, began)
	})
	b.Run("DeiT, loader", func(b *testing.B) {
		d, err := pictures.Dataset(Order{BatchSize: 32, Shuffle: true, Augment: DeiTAugmentation()})
		if err != nil {
			b.Fatal(err)
		}
		n, began := 0, cpuTime(b)
		for b.Loop() {
			for batch, err := range d.Iter() {
				if err != nil {
					b.Fatal(err)
				}
				batch.Finalize()
				n += 32
			}
		}
		reportRate(b, n, began)
	})
}

// reportRate reports n images by the clock, and by the time that all processors together spent on them,
// which on a busy machine says more.
func reportRate(b *testing.B, n int, began time.Duration) {
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "images/s")
	b.ReportMetric(float64(n)/(cpuTime(b)-began).Seconds(), "images/core-s")
}

// cpuTime is what this process has used so far.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
