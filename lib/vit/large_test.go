package vit

import (
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/attention"
	"tokenfuse/lib/fusion"
)

// TestLargeImage: two layers of DeiT-S on an image of 1024x1024, 4097 tokens, with MCTF. An
// attention map is 403 MB of float32 there, and one layer would want some of them: it must go without.
// The memory is that of a process of its own, the compiler's included. Two layers
// guard that no map is formed; what all twelve of the real model take is measured by
//
//	go run ./kernel bench --model deit_small_patch16_224 --image-size 1024 --fusion mctf:r=16 --batch 1 --memory
func TestLargeImage(t *testing.T) {
	const most = 1 << 30
	if backend, _, _ := strings.Cut(accel.Choice(), ":"); runtime.GOOS != "linux" || backend != "xla" {
		t.Skip("needs /proc, and XLA: the pure Go backend takes a minute")
	}
	child := exec.Command(os.Args[0], "-test.run=^TestLargeImageAlone$")
	child.Env = append(os.Environ(), "TOKENFUSE_TEST_LARGE=1")
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, kib, _ := strings.Cut(string(out), "VmHWM:")
	peak, err := strconv.Atoi(strings.Fields(kib + " -")[0])
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("the process took %d MiB", peak>>10)
	if peak<<10 > most {
		t.Errorf("the process took %d MiB, want at most %d", peak>>10, most>>20)
	}
}

// TestLargeImageAlone is the process of TestLargeImage.
func TestLargeImageAlone(t *testing.T) {
	if os.Getenv("TOKENFUSE_TEST_LARGE") == "" {
		t.Skip("a part of TestLargeImage")
	}
	c := Config{ImageSize: ImageSize{1024, 1024}, PatchSize: 16, Channels: 3, Dim: 384, Depth: 2, Heads: 6, MLPRatio: 4, Classes: 10}
	m, err := New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	classifier, err := m.With(fusion.MCTF{R: 16})
	if err != nil {
		t.Fatal(err)
	}
	logits, err := classifier.Logits(randomImages(c, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, y := range tensors.MustCopyFlatData[float32](logits) {
		if math.IsNaN(float64(y)) || math.IsInf(float64(y), 0) {
			t.Fatalf("a logit is %v", y)
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout.Write(status)
}

// TestLargeBatch: eight images whose attention maps together are too large to form get the logits that
// each gets alone, with maps that are formed.
func TestLargeBatch(t *testing.T) {
	c := Config{ImageSize: ImageSize{64, 64}, PatchSize: 2, Channels: 1, Dim: 16, Depth: 2, Heads: 4, MLPRatio: 2, Classes: 3}
	const batch = 8
	if n := c.Tokens(); batch*c.Heads*n*n*4 <= attention.MapBytes || c.Heads*n*n*4 > attention.MapBytes {
		t.Fatalf("%d tokens are no case of this", n)
	}
	m, err := New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	classifier, err := m.With(fusion.MCTF{R: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer classifier.Close()
	images := randomImages(c, batch)
	logits := func(images *tensors.Tensor) []float32 {
		out, err := classifier.Logits(images)
		if err != nil {
			t.Fatal(err)
		}
		return tensors.MustCopyFlatData[float32](out)
	}
	together, pixels := logits(images), tensors.MustCopyFlatData[float32](images)
	for i := range batch {
		size := len(pixels) / batch
		alone := logits(tensors.FromFlatDataAndDimensions(pixels[i*size:(i+1)*size], 1, c.Channels, 64, 64))
		if d := relative(together[i*c.Classes:(i+1)*c.Classes], alone); d > 1e-5 {
			t.Errorf("image %d: logits differ by %g", i, d)
		}
	}
}
