package datasets

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// readJSON reads a file of testdata.
func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// rasterOfFile returns a picture of testdata with its own channels.
func rasterOfFile(t *testing.T, name string, channels int) raster {
	return newRaster(flatten(picture(t, name)), channels)
}

// checkRaster wants the same pixels.
func checkRaster(t *testing.T, got, want raster) {
	t.Helper()
	different, most := 0, 0
	for c, plane := range want.planes {
		for p, value := range plane {
			if d := int(value) - int(got.planes[c][p]); d != 0 {
				different, most = different+1, max(most, d, -d)
			}
		}
	}
	if different > 0 {
		t.Errorf("%d of %d values differ, by up to %d", different, len(want.planes)*want.height*want.width, most)
	}
}

func TestOperationsArePillows(t *testing.T) {
	var cases []struct {
		Name  string
		Value float64
	}
	readJSON(t, "operations.json", &cases)
	tested := map[string]bool{}
	for source, channels := range map[string]int{"scene": 3, "pale": 3, "grey": 1} {
		from := rasterOfFile(t, source+".png", channels)
		all := rasterOfFile(t, source+".operations.png", channels)
		for i, test := range cases {
			t.Run(fmt.Sprintf("%s/%s %v", source, test.Name, test.Value), func(t *testing.T) {
				k := slices.IndexFunc(operations, func(o operation) bool { return o.name == test.Name })
				if k < 0 {
					t.Fatal("no such operation")
				}
				tested[test.Name] = true
				image := from.cut(0, 0, from.height, from.width)
				got := operations[k].apply(image, test.Value, []uint8{124, 116, 104}[:channels])
				checkRaster(t, got, all.cut(i*from.height, 0, from.height, from.width))
			})
		}
	}
	if len(tested) != 15 || len(operations) != 15 {
		t.Errorf("%d of %d operations are tested, want 15", len(tested), len(operations))
	}
}

// The values that timm's rand-...-inc1 takes, worked out from its definition.
func TestOperationValues(t *testing.T) {
	tests := map[string]map[float64]float64{ // by share, sign 1
		"rotate":      {0: 0, 0.5: 15, 1: 30},
		"posterize":   {0: 4, 0.24: 4, 0.25: 3, 0.9: 1, 1: 0},
		"solarize":    {0: 256, 0.5: 128, 0.9: 26, 1: 0},
		"solarizeadd": {0: 0, 0.5: 55, 0.9: 99, 1: 110},
		"color":       {0: 1, 0.5: 1.45, 1: 1.9},
		"sharpness":   {0.9: 1.81},
		"shearx":      {1: 0.3},
		"sheary":      {0.5: 0.15},
		"translatex":  {1: 0.45},
		"translatey":  {0: 0},
	}
	for _, o := range operations {
		for share, want := range tests[o.name] {
			if got := o.value(share, 1); abs(got-want) > 1e-12 {
				t.Errorf("%s at %v of its strength: %v, want %v", o.name, share, got, want)
			}
		}
	}
	for name, want := range map[string]float64{"rotate": -30, "contrast": 0.1, "brightness": 0.1, "translatex": -0.45, "posterize": 0} {
		k := slices.IndexFunc(operations, func(o operation) bool { return o.name == name })
		if got := operations[k].value(1, -1); abs(got-want) > 1e-12 {
			t.Errorf("%s to the other side: %v, want %v", name, got, want)
		}
	}
}

// How often images stay as they are: with operations that always change one, each applied half the time.
func TestRandAugmentApplies(t *testing.T) {
	from := rasterOfFile(t, "scene.png", 3)
	same, results := 0, map[string]bool{}
	const tries = 400
	for seed := range uint64(tries) {
		r := RandAugment{Operations: 2, Magnitude: 9, Deviation: 0.5}
		got := r.apply(from.cut(0, 0, from.height, from.width), []uint8{124, 116, 104}, newStream(seed))
		if got.height != from.height || got.width != from.width || len(got.planes) != 3 {
			t.Fatal("another size")
		}
		key := string(slices.Concat(got.planes...))
		if key == string(slices.Concat(from.planes...)) {
			same++
		}
		results[key] = true
	}
	// A quarter draws none, and autocontrast leaves this picture of all levels as it is.
	if same < tries/5 || same > tries*2/5 {
		t.Errorf("%d of %d images are not changed", same, tries)
	}
	if len(results) < tries/2 {
		t.Errorf("%d different results in %d tries", len(results), tries)
	}
	if got := (RandAugment{}).apply(from, nil, nil); &got.planes[0][0] != &from.planes[0][0] {
		t.Error("without operations, another image")
	}
}

func TestOperationsOfTinyImages(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {1, 4}, {4, 1}, {2, 2}} {
		for _, o := range operations {
			for _, share := range []float64{0, 0.3, 1} {
				image := newEmptyRaster(3, size[0], size[1])
				image.planes[1][0] = 200
				if got := o.apply(image, o.value(share, -1), []uint8{1, 2, 3}); got.height != size[0] || got.width != size[1] {
					t.Errorf("%s of %v: %dx%d", o.name, size, got.height, got.width)
				}
			}
		}
	}
}

func BenchmarkRandAugmentOperations(b *testing.B) {
	from := noise(3, 224, 224)
	for _, o := range operations {
		b.Run(o.name, func(b *testing.B) {
			for b.Loop() {
				o.apply(from, o.value(0.9, 1), []uint8{124, 116, 104})
			}
		})
	}
}
