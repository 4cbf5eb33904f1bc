package fusion_test

import (
	"testing"
	"time"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// BenchmarkATC: images per second of DeiT-S, 16 at a time, at the same tokens by ATC and by ToMe, and by
// the other clustering methods: the fastest pass of each, the methods in turn, so that other work on the
// machine meets them alike. What a method costs does not depend on the weights.
func BenchmarkATC(b *testing.B) {
	config, err := vit.ConfigOf("deit_small_patch16_224")
	if err != nil {
		b.Fatal(err)
	}
	if testing.Short() {
		config.ImageSize = vit.ImageSize{Height: 112, Width: 112}
	}
	model, err := vit.New(config, 1)
	if err != nil {
		b.Fatal(err)
	}
	backend, err := accel.New(accel.Choice())
	if err != nil {
		b.Fatal(err)
	}
	const batch = 16
	pixels := make([]float32, batch*3*config.ImageSize.Height*config.ImageSize.Width)
	for i := range pixels {
		pixels[i] = float32(i*i%1009)/504 - 1
	}
	images := tensors.FromFlatDataAndDimensions(pixels, batch, 3, config.ImageSize.Height, config.ImageSize.Width)
	specs := []string{"none", "tome:r=13", "atc:r=13", "tome:r=0,0,0,59,0,0,41,0,0,29", "atc:keep_rate=0.7",
		"kmedoids:keep_rate=0.7", "dpcknn:keep_rate=0.7,equal_weight=true"}
	pass, fastest := make([]func() time.Duration, len(specs)), make([]time.Duration, len(specs))
	for i, spec := range specs {
		method, err := fusion.Parse(spec)
		if err != nil {
			b.Fatal(err)
		}
		classifier, err := model.WithBackend(backend, method)
		if err != nil {
			b.Fatal(err)
		}
		defer classifier.Close()
		pass[i] = func() time.Duration {
			start := time.Now()
			if _, err := classifier.Logits(images); err != nil {
				b.Fatal(err)
			}
			return time.Since(start)
		}
		fastest[i] = pass[i]() // compiles
	}
	for b.Loop() {
		for i := range specs {
			fastest[i] = min(fastest[i], pass[i]())
		}
	}
	for i, spec := range specs {
		b.ReportMetric(batch/fastest[i].Seconds(), spec+":images/s")
	}
}
