package vit_test

import (
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// BenchmarkForward: DeiT-T, 4 images from memory to logits in memory, without and with MCTF. The whole
// table, with the machine described, is made by `go run ./kernel bench`. With -short, 2 of its blocks.
//
//	go test ./lib/vit -run '^$' -bench BenchmarkForward
func BenchmarkForward(b *testing.B) {
	const batch = 4
	config, err := vit.ConfigOf("deit_tiny_patch16_224")
	if err != nil {
		b.Fatal(err)
	}
	if testing.Short() {
		config.Depth = 2
	}
	pixels := make([]float32, batch*3*224*224)
	for i := range pixels {
		pixels[i] = float32(i*i%1009)/504 - 1
	}
	for _, configuration := range []string{"go", accel.Choice()} {
		backend, err := accel.New(configuration)
		if err != nil {
			b.Fatal(err)
		}
		m, err := vit.New(config, 1) // weights stay on the backend they first ran on
		if err != nil {
			b.Fatal(err)
		}
		name, _, _ := strings.Cut(configuration, ":")
		for _, method := range []fusion.Method{fusion.None{}, fusion.MCTF{R: 16}} {
			b.Run(name+"/"+method.Name(), func(b *testing.B) {
				classifier, err := m.WithBackend(backend, method)
				if err != nil {
					b.Fatal(err)
				}
				defer classifier.Close()
				run := func() {
					images := tensors.FromFlatDataAndDimensions(pixels, batch, 3, 224, 224)
					logits, err := classifier.Logits(images)
					if err != nil {
						b.Fatal(err)
					}
					logits.MustConstFlatData(func(any) {}) // waits for the device
					logits.MustFinalizeAll()
					images.MustFinalizeAll()
				}
				run() // compiles
				for b.Loop() {
					run()
				}
				b.ReportMetric(batch*float64(b.N)/b.Elapsed().Seconds(), "images/s")
			})
		}
	}
}
