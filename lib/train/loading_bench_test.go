package train

import (
	"fmt"
	"image"
	"image/jpeg"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tokenfuse/datasets"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// photos is a folder of n JPEGs of ImageNet's usual size, 500x375, in its layout.
func photos(b *testing.B, n int) *datasets.Pictures {
	b.Helper()
	dir := b.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		picture := image.NewYCbCr(image.Rect(0, 0, 500, 375), image.YCbCrSubsampleRatio420)
		for at := range picture.Y {
			picture.Y[at] = uint8(100 + at/500/8%100 + random.IntN(24)) // of about 100 kB, as photos are
		}
		class := filepath.Join(dir, fmt.Sprint(i%4))
		if err := os.MkdirAll(class, 0o755); err != nil {
			b.Fatal(err)
		}
		file, err := os.Create(filepath.Join(class, fmt.Sprintf("%d.jpg", i)))
		if err != nil {
			b.Fatal(err)
		}
		if err := jpeg.Encode(file, picture, &jpeg.Options{Quality: 90}); err != nil {
			b.Fatal(err)
		}
		if err := file.Close(); err != nil {
			b.Fatal(err)
		}
	}
	pictures, err := datasets.Folder(dir, datasets.Train, datasets.Transform{Height: 224, Width: 224, Channels: 3,
		Mean: []float64{0.485, 0.456, 0.406}, Std: []float64{0.229, 0.224, 0.225}})
	if err != nil {
		b.Fatal(err)
	}
	return pictures
}

// BenchmarkLoading trains from JPEG files in ImageNet's layout with all of DeiT's augmentation, loaded
// ahead as in every run, and reports the images of a second, and for which part of the time a step had
// to wait for its images. Where loading is no limit that is next to nothing (with -short, which trains 2
// blocks, it may be):
//
//	go test -run - -bench Loading -benchtime 6x ./lib/train
//
// On 2 cores of an AMD EPYC with XLA, beside other jobs (load 7), steps waited for 0.2% of the time of
// DeiT-T (4.3 images/s; 6.8 with MCTF) and 0.1% of that of DeiT-S (1.5 images/s).
func BenchmarkLoading(b *testing.B) {
	backend, err := accel.Backend()
	if err != nil {
		b.Fatal(err)
	}
	const batch = 16
	for _, c := range []struct {
		model  string
		method fusion.Method
	}{{"deit_tiny_patch16_224", fusion.MCTF{R: 16}}, {"deit_tiny_patch16_224", fusion.None{}}, {"deit_small_patch16_224", fusion.None{}}} {
		b.Run(c.model+"/"+c.method.Name(), func(b *testing.B) {
			data, err := photos(b, 256).Dataset(datasets.Order{BatchSize: batch, Shuffle: true, Endless: true, Augment: datasets.DeiTAugmentation()})
			if err != nil {
				b.Fatal(err)
			}
			config, err := vit.ConfigOf(c.model)
			if err != nil {
				b.Fatal(err)
			}
			config.Classes = 4
			if testing.Short() {
				config.Depth = 2
			}
			m, err := vit.New(config, 1)
			if err != nil {
				b.Fatal(err)
			}
			s := &session{Recipe: FashionMNIST(), Options: Options{Backend: backend}, model: m, method: c.method, perEpoch: 1000}
			s.objective = objective{Recipe: s.Recipe, store: m.Store(), config: config, method: c.method}
			if s.trainer, err = s.newTrainer(); err != nil {
				b.Fatal(err)
			}
			next, stop := iter.Pull2(data.Iter())
			defer stop()
			var waiting time.Duration
			step := func() {
				began := time.Now()
				images, err, _ := next()
				waiting += time.Since(began)
				if err != nil {
					b.Fatal(err)
				}
				if _, _, err := s.step(images, 0); err != nil {
					b.Fatal(err)
				}
			}
			step() // compiles
			step() // with the optimizer's state there
			waiting = 0
			for b.Loop() {
				step()
			}
			b.ReportMetric(batch*float64(b.N)/b.Elapsed().Seconds(), "images/s")
			b.ReportMetric(100*waiting.Seconds()/b.Elapsed().Seconds(), "%waiting")
		})
	}
}
