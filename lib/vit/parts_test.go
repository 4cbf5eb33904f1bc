package vit

import (
	"runtime"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
)

// TestParts: a batch that the backend in Go gets in parts has the logits and counts of its images, each at its
// place, also where the parts are not of one size.
func TestParts(t *testing.T) {
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Finalize()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	config := Config{ImageSize: ImageSize{16, 16}, PatchSize: 4, Channels: 1, Dim: 8, Depth: 2, Heads: 2, MLPRatio: 2, Classes: 3}
	m, err := New(config, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []fusion.Method{fusion.None{}, fusion.MCTF{R: 2}, fusion.ATM{Alpha: 0.95}} {
		c, err := m.WithBackend(backend, method)
		if err != nil {
			t.Fatal(err)
		}
		for _, batch := range []int{1, 2, 5} {
			images := randomImages(config, batch)
			logits, counts, err := c.Classify(images)
			if err != nil {
				t.Fatal(err)
			}
			pixels, all, present := tensors.MustCopyFlatData[float32](images), tensors.MustCopyFlatData[float32](logits), tensors.MustCopyFlatData[float32](counts)
			each := len(pixels) / batch
			for i := range batch {
				one, left, err := c.Classify(tensors.FromFlatDataAndDimensions(pixels[i*each:(i+1)*each], 1, 1, 16, 16))
				if err != nil {
					t.Fatal(err)
				}
				same(t, method.Name(), tensors.FromFlatDataAndDimensions(all[i*3:(i+1)*3], 1, 3), one, 1e-6)
				same(t, method.Name()+", counts", tensors.FromFlatDataAndDimensions(present[i*2:(i+1)*2], 1, 2), left, 0)
			}
		}
		c.Close()
	}
}
