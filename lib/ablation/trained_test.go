package ablation_test

import (
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"

	"tokenfuse/datasets"
	"tokenfuse/lib/ablation"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// TestTrainedModel: the model that comes with Tokenfuse is as accurate on the real test images as its
// card says, and loses little where MCTF takes a quarter of its tokens' cost, or bfloat16 half its precision.
func TestTrainedModel(t *testing.T) {
	images := onThisMachine(t, func(options ...datasets.Option) (*datasets.Images, error) {
		return datasets.FashionMNIST(datasets.Test, options...)
	})
	m, err := vit.Load("vit_fmnist_patch4_28")
	if err != nil {
		t.Fatal(err)
	}
	want := statedAccuracy(t, m.Name)
	if want < 0.9 {
		t.Fatalf("the card states an accuracy of %v, want at least 0.90", want)
	}
	backend, err := accel.Backend()
	if err != nil {
		t.Fatal(err)
	}
	accuracy := func(method fusion.Method, images datasets.Source) float64 {
		classifier, err := m.WithBackend(backend, method)
		if err != nil {
			t.Fatal(err)
		}
		defer classifier.Close()
		got, err := ablation.Accuracy(t.Context(), classifier, images, 250)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, c := range []struct {
		method    fusion.Method
		tolerance float64
	}{{fusion.None{}, 0.0005}, {fusion.MCTF{R: 4}, 0.02}} {
		got := accuracy(c.method, images)
		if math.Abs(got-want) > c.tolerance {
			t.Errorf("%s: accuracy %.4f, the card states %.4f", c.method.Name(), got, want)
		}
	}
	few := images.First(1000)
	exact := accuracy(fusion.None{}, few)
	m.Config.DType = vit.BFloat16
	if got := accuracy(fusion.None{}, few); math.Abs(got-exact) > 0.003 {
		t.Errorf("accuracy %.4f in bfloat16, %.4f in float32", got, exact)
	}
}

// TestClutteredModel: the model of articles in clutter is as accurate as its card says, on a part of the
// test images, which alone leaves two points open.
func TestClutteredModel(t *testing.T) {
	images := onThisMachine(t, func(options ...datasets.Option) (*datasets.Cluttered, error) {
		return datasets.ClutteredFashionMNIST(datasets.Test, datasets.DefaultClutter(), options...)
	})
	m, err := vit.Load("vit_cfmnist_patch4_48")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := ablation.Run(t.Context(), m, images.First(2000), fusion.None{})
	if err != nil {
		t.Fatal(err)
	}
	if want, got := statedAccuracy(t, m.Name), rows[0].AccuracyTop1; math.Abs(got-want) > 0.02 {
		t.Errorf("accuracy %.4f, the card states %.4f", got, want)
	}
}

// onThisMachine opens real images without downloading any; without them the test is left out.
func onThisMachine[T any](t *testing.T, open func(options ...datasets.Option) (T, error)) T {
	t.Helper()
	nobody := httptest.NewServer(http.NotFoundHandler())
	defer nobody.Close()
	images, err := open(datasets.WithMirror(nobody.URL), datasets.WithProgress(io.Discard))
	if errors.Is(err, datasets.ErrNotFound) {
		t.Skip("Fashion-MNIST is not on this machine: apt-get install dataset-fashion-mnist")
	}
	if err != nil {
		t.Fatal(err)
	}
	return images
}

// statedAccuracy is what a model's card says.
func statedAccuracy(t *testing.T, name string) float64 {
	t.Helper()
	card, err := vit.Card(name)
	if err != nil {
		t.Fatal(err)
	}
	stated := regexp.MustCompile(`(0\.\d+) top-1`).FindStringSubmatch(card)
	if stated == nil {
		t.Fatalf("the card of %s states no accuracy", name)
	}
	accuracy, err := strconv.ParseFloat(stated[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return accuracy
}
