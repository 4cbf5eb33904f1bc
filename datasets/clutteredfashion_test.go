package datasets

import (
	"errors"
	"image"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
)

// fashion returns a split of cluttered Fashion-MNIST, where its files are on the machine.
func fashion(t testing.TB, split Split, c Clutter) *Cluttered {
	t.Helper()
	nobody := httptest.NewServer(http.NotFoundHandler())
	defer nobody.Close()
	d, err := ClutteredFashionMNIST(split, c, WithMirror(nobody.URL), WithProgress(io.Discard))
	if errors.Is(err, ErrNotFound) {
		t.Skip("Fashion-MNIST is not on this machine: apt-get install dataset-fashion-mnist")
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestClutteredFashionMNIST is on the real images: sizes, mask and ink, and how the clutter is spread.
func TestClutteredFashionMNIST(t *testing.T) {
	test := fashion(t, Test, DefaultClutter())
	if got := test.String(); got != "cluttered-fashion-mnist test: 30000 images, 48x48x1, 10 classes" {
		t.Error(got)
	}
	var x, y, foreground, clutter float64
	const n = 2000
	for i := range n {
		place, mask, pixels := test.Place(i), test.Foreground(i), made(test, i)
		article := test.articles.pixels(i)
		x, y = x+float64(place.Min.X), y+float64(place.Min.Y)
		for p, value := range pixels {
			at := image.Pt(p%48, p/48)
			own := uint8(0)
			if at.In(place) {
				own = article[(at.Y-place.Min.Y)*28+at.X-place.Min.X]
			}
			if mask[p] != (own > 0) || own > 0 && value != own {
				t.Fatalf("image %d at %v: %d, of the article %d, foreground %v", i, at, value, own, mask[p])
			}
			switch {
			case mask[p]:
				foreground++
			case value > 0:
				clutter++
			}
		}
	}
	// A place is even over 0..20, its deviation 6.06 and that of the mean 0.14; seeds are fixed, so
	// this cannot fail by chance.
	if math.Abs(x/n-10) > 0.5 || math.Abs(y/n-10) > 0.5 {
		t.Errorf("articles stand at %.2f, %.2f on average, want 10, 10", x/n, y/n)
	}
	// Half of an article is ink: 0.5*28*28/48/48 is 0.17. Eight pieces would be 0.22 of the canvas, if
	// they were ink all over, beside one another and the article.
	if f, c := foreground/n/48/48, clutter/n/48/48; math.Abs(f-0.17) > 0.01 || c < 0.10 || c > 0.16 {
		t.Errorf("%.3f of the pixels are foreground, %.3f clutter", f, c)
	}
}

func TestClutteredStatistics(t *testing.T) {
	train := fashion(t, Train, DefaultClutter())
	var sum, squares, n float64
	for i := 0; i < train.Len(); i += 6 {
		for _, value := range made(train, i) {
			v := float64(value) / 255
			sum, squares, n = sum+v, squares+v*v, n+1
		}
	}
	mean := sum / n
	std := math.Sqrt(squares/n - mean*mean)
	if math.Abs(mean-float64(train.Mean[0])) > 1e-3 || math.Abs(std-float64(train.Std[0])) > 1e-3 {
		t.Errorf("mean %.4f, std %.4f, normalised with %v and %v", mean, std, train.Mean, train.Std)
	}
}

// BenchmarkCluttered is what an image costs to make, by one goroutine:
//
//	go test -run XXX -bench Cluttered ./datasets
func BenchmarkCluttered(b *testing.B) {
	for _, name := range []string{"cluttered-fashion-mnist", "cluttered-fashion-mnist:canvas=64,distractors=16"} {
		c, err := ParseClutter(name)
		if err != nil {
			b.Fatal(err)
		}
		d := fashion(b, Test, c)
		b.Run(name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				made(d, i%d.Len())
				i++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}
