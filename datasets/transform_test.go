package datasets

import (
	"image"
	"image/color"
	"slices"
	"strings"
	"testing"
)

var imageNet = Transform{
	Resize: 32, Height: 28, Width: 28, Channels: 3,
	Mean: []float64{0.485, 0.456, 0.406}, Std: []float64{0.229, 0.224, 0.225},
}

func TestTransformSizes(t *testing.T) {
	for name, c := range map[string]struct {
		transform             Transform
		height, width         int
		wantHeight, wantWidth int
	}{
		"landscape":       {Transform{Resize: 256}, 333, 500, 256, 384},
		"portrait":        {Transform{Resize: 256}, 500, 375, 341, 256},
		"square":          {Transform{Resize: 256}, 7, 7, 256, 256},
		"as it is":        {Transform{Resize: 375}, 500, 375, 500, 375},
		"straight to":     {Transform{Height: 8, Width: 9}, 500, 375, 8, 9},
		"nothing to take": {Transform{Resize: 256, Height: 8, Width: 9}, 0, 5, 8, 9},
	} {
		t.Run(name, func(t *testing.T) {
			height, width := c.transform.resized(c.height, c.width)
			if height != c.wantHeight || width != c.wantWidth {
				t.Errorf("size is %dx%d, want %dx%d", height, width, c.wantHeight, c.wantWidth)
			}
		})
	}
}

// Python's round takes halves to the even neighbour.
func TestCentre(t *testing.T) {
	for name, c := range map[string]struct {
		size, length int
		want         span
		offset       int
	}{
		"even":            {10, 4, span{10, 3, 7}, 0},
		"half, even down": {9, 4, span{9, 2, 6}, 0},
		"half, odd up":    {7, 4, span{7, 2, 6}, 0},
		"half of one":     {5, 4, span{5, 0, 4}, 0},
		"same":            {4, 4, span{4, 0, 4}, 0},
		"smaller":         {4, 8, span{4, 0, 4}, 2},
		"smaller by odd":  {4, 7, span{4, 0, 4}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got, offset := centre(c.size, c.length); got != c.want || offset != c.offset {
				t.Errorf("centre is %v at %d, want %v at %d", got, offset, c.want, c.offset)
			}
		})
	}
}

// normalised is what Apply is to give for a picture that needs no resizing.
func normalised(picture image.Image, transform Transform) []float32 {
	values := []float32{}
	for c, plane := range newRaster(flatten(picture), transform.Channels).planes {
		for _, pixel := range plane {
			values = append(values, (float32(pixel)/255-float32(transform.Mean[c]))/float32(transform.Std[c]))
		}
	}
	return values
}

func equal(t *testing.T, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("value %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestTransformIsPillows(t *testing.T) {
	straight := imageNet
	straight.Resize, straight.Height, straight.Width = 0, 40, 20
	long := imageNet
	long.Resize, long.Height, long.Width = 11, 14, 11
	asItIs := imageNet
	asItIs.Resize, asItIs.Height, asItIs.Width = 0, 37, 29
	for name, c := range map[string]struct {
		transform Transform
		want      string
	}{
		"straight to size": {straight, "noise.40x20.bicubic.png"},
		"shorter side":     {long, "noise.14x11.bicubic.png"},
		"as it is":         {asItIs, "noise.png"},
	} {
		t.Run(name, func(t *testing.T) {
			equal(t, c.transform.Apply(picture(t, "noise.png")), normalised(picture(t, c.want), c.transform))
		})
	}
}

// TestTransformCut: the pixels that Apply normalises, of one channel and of three.
func TestTransformCut(t *testing.T) {
	for _, channels := range []int{1, 3} {
		from := noise(channels, 30, 40).image()
		transform := Transform{Resize: 20, Height: 16, Width: 18, Channels: channels, Mean: make([]float64, channels), Std: slices.Repeat([]float64{1}, channels)}
		cut := transform.Cut(from)
		if size := cut.Bounds().Size(); size != image.Pt(18, 16) {
			t.Errorf("%d channels: %v", channels, size)
		}
		pixels := transform.Apply(from)
		r, _, _, _ := cut.At(5, 3).RGBA()
		if got := float32(r>>8) / 255; got != pixels[3*18+5] {
			t.Errorf("%d channels: pixel %v, Apply has %v", channels, got, pixels[3*18+5])
		}
	}
}

// TestTransformCrop: a crop is a part of what resizing gives, and black where there is nothing.
func TestTransformCrop(t *testing.T) {
	from := noise(3, 30, 40).image()
	whole := rgb(Resize(from, 15, 20, Bicubic))
	wide := imageNet
	wide.Resize, wide.Height, wide.Width = 15, 10, 23
	want := newEmptyRaster(3, 10, 23)
	for c, plane := range want.planes {
		for y := range 10 {
			copy(plane[y*23+1:][:20], whole.planes[c][(2+y)*20:])
		}
	}
	equal(t, wide.Apply(from), normalised(want.image(), wide))
}

func TestTransformChannels(t *testing.T) {
	one := Transform{Height: 1, Width: 1, Channels: 1, Mean: []float64{0}, Std: []float64{1}}
	three := Transform{Height: 1, Width: 1, Channels: 3, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}}
	colour := image.NewNRGBA(image.Rect(5, 5, 6, 6))
	colour.SetNRGBA(5, 5, color.NRGBA{R: 200, G: 100, B: 50, A: 0})
	grey := image.NewGray(image.Rect(5, 5, 6, 6))
	grey.SetGray(5, 5, color.Gray{Y: 77})
	inYCbCr := image.NewYCbCr(image.Rect(0, 0, 2, 1), image.YCbCrSubsampleRatio444)
	copy(inYCbCr.Y, []uint8{9, 90})
	copy(inYCbCr.Cb, []uint8{128, 128})
	copy(inYCbCr.Cr, []uint8{128, 128})
	for name, c := range map[string]struct {
		transform Transform
		picture   image.Image
		want      []float32
	}{
		"luma":             {one, colour, []float32{124. / 255}},
		"alpha is dropped": {three, colour, []float32{200. / 255, 100. / 255, 50. / 255}},
		"grey to RGB":      {three, grey, []float32{77. / 255, 77. / 255, 77. / 255}},
		"grey":             {one, grey, []float32{77. / 255}},
		"part of YCbCr":    {one, inYCbCr.SubImage(image.Rect(1, 0, 2, 1)), []float32{90. / 255}},
		"empty":            {one, image.NewGray(image.Rectangle{}), []float32{0}},
	} {
		t.Run(name, func(t *testing.T) { equal(t, c.transform.Apply(c.picture), c.want) })
	}
}

func TestTransformValidate(t *testing.T) {
	if err := imageNet.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Transform){
		`resize "-1"`:   func(t *Transform) { t.Resize = -1 },
		`size "0x28"`:   func(t *Transform) { t.Height = 0 },
		`"2" channels`:  func(t *Transform) { t.Channels = 2 },
		`mean "[0.5]"`:  func(t *Transform) { t.Mean = []float64{0.5} },
		`std "[1 0 1]"`: func(t *Transform) { t.Std = []float64{1, 0, 1} },
	} {
		t.Run(want, func(t *testing.T) {
			transform := imageNet
			change(&transform)
			if err := transform.Validate(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error is %v, want one with %s", err, want)
			}
		})
	}
}
