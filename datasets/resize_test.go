package datasets

import (
	"bytes"
	"fmt"
	"image"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

// picture reads a picture of testdata.
func picture(t testing.TB, name string) image.Image {
	t.Helper()
	read, err := DecodeImage(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// rgb returns a picture's pixels in three planes.
func rgb(from image.Image) raster { return newRaster(flatten(from), 3) }

// noise returns a raster of random pixels.
func noise(channels, height, width int) raster {
	random := rand.New(rand.NewPCG(1, 2))
	r := newEmptyRaster(channels, height, width)
	for _, plane := range r.planes {
		for p := range plane {
			plane[p] = uint8(random.Uint32())
		}
	}
	return r
}

func TestResizeIsPillows(t *testing.T) {
	for _, source := range []string{"noise", "grey"} {
		from := picture(t, source+".png")
		for _, size := range [][2]int{{9, 11}, {14, 11}, {40, 20}, {13, 50}, {37, 8}, {55, 29}} {
			for filter, kind := range []string{"bicubic", "bilinear"} {
				name := fmt.Sprintf("%s.%dx%d.%s.png", source, size[0], size[1], kind)
				t.Run(name, func(t *testing.T) {
					got := Resize(from, size[0], size[1], Filter(filter))
					want := picture(t, name)
					if got.Bounds() != want.Bounds() {
						t.Fatalf("bounds are %v, want %v", got.Bounds(), want.Bounds())
					}
					if fmt.Sprintf("%T", got) != fmt.Sprintf("%T", from) {
						t.Errorf("is a %T, from a %T", got, from)
					}
					if most, mean := difference(got, want); most > 0 {
						t.Errorf("differs from Pillow by up to %d, mean %.4f", most, mean)
					}
				})
			}
		}
	}
}

func TestResizeToNothing(t *testing.T) {
	for name, size := range map[string][2]int{"no rows": {0, 5}, "no columns": {5, 0}, "negative": {-1, -1}} {
		t.Run(name, func(t *testing.T) {
			if got := Resize(noise(3, 4, 4).image(), size[0], size[1], Bicubic); !got.Bounds().Empty() {
				t.Errorf("bounds are %v, want none", got.Bounds())
			}
		})
	}
	if got := Resize(image.NewGray(image.Rectangle{}), 2, 3, Bicubic); got.Bounds() != image.Rect(0, 0, 3, 2) {
		t.Errorf("an empty picture has bounds %v, want 3x2", got.Bounds())
	}
}

// A part of a resized picture is what resizing gives for that part alone.
func TestResamplePart(t *testing.T) {
	part := func(t *rapid.T, name string) span {
		size := rapid.IntRange(1, 40).Draw(t, name+" size")
		from := rapid.IntRange(0, size-1).Draw(t, name+" from")
		return span{size: size, from: from, to: rapid.IntRange(from+1, size).Draw(t, name+" to")}
	}
	rapid.Check(t, func(t *rapid.T) {
		from := noise(1, rapid.IntRange(1, 30).Draw(t, "height"), rapid.IntRange(1, 30).Draw(t, "width"))
		rows, columns := part(t, "rows"), part(t, "columns")
		filter := rapid.SampledFrom([]Filter{Bicubic, Bilinear}).Draw(t, "filter")
		whole := from.resample(span{size: rows.size, to: rows.size}, span{size: columns.size, to: columns.size}, filter)
		got := from.resample(rows, columns, filter)
		for y := range got.height {
			want := whole.planes[0][(rows.from+y)*whole.width+columns.from:][:got.width]
			if !bytes.Equal(got.planes[0][y*got.width:][:got.width], want) {
				t.Fatalf("row %d differs", y)
			}
		}
	})
}

// difference returns the largest and the mean difference of two pictures of the same size.
func difference(a, b image.Image) (most int, mean float64) {
	pa, pb := rgb(a), rgb(b)
	sum := 0
	for c, plane := range pa.planes {
		for p, value := range plane {
			d := int(value) - int(pb.planes[c][p])
			d = max(d, -d)
			most, sum = max(most, d), sum+d
		}
	}
	return most, float64(sum) / float64(3*pa.height*pa.width)
}

func BenchmarkResize(b *testing.B) {
	photo := noise(3, 1500, 2000).image()
	for b.Loop() {
		Resize(photo, 256, 341, Bicubic)
	}
}
