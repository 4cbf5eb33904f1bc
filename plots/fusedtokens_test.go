package plots

import (
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"
)

// disc is a grey picture of a bright disc, 28 x 28 pixels.
func disc() *image.Gray {
	img := image.NewGray(image.Rect(0, 0, 28, 28))
	for y := range 28 {
		for x := range 28 {
			if d := (x-14)*(x-14) + (y-14)*(y-14); d < 100 {
				img.SetGray(x, y, color.Gray{uint8(240 - d)})
			}
		}
	}
	return img
}

// alone has a token for each patch.
func alone(rows, cols int) Groups {
	g := Groups{Rows: rows, Cols: cols}
	for patch := range rows * cols {
		g.Of = append(g.Of, patch)
	}
	return g
}

// fuse returns the groups with patches become one token.
func (g Groups) fuse(title string, patches ...int) Groups {
	fused := Groups{Title: title, Rows: g.Rows, Cols: g.Cols, Of: append([]int(nil), g.Of...)}
	for _, patch := range patches {
		fused.Of[patch] = g.Of[patches[0]]
	}
	return fused
}

func ExampleFusedTokens() {
	// Four patches; after layer 0 the upper two are one token, after layer 1 the last is dropped.
	figure, err := FusedTokens(disc(),
		Groups{Title: "layer 0", Rows: 2, Cols: 2, Of: []int{0, 0, 1, 2}},
		Groups{Title: "layer 1", Rows: 2, Cols: 2, Of: []int{0, 0, 1, -1}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(figure)
	// Output: An image, and which of its patches became one token; layer 0: 3 tokens, layer 1: 2 tokens
}

func TestFusedTokensWraps(t *testing.T) {
	g := alone(2, 2)
	figure, err := FusedTokens(disc(), g, g, g, g, g)
	if err != nil {
		t.Fatal(err)
	}
	if len(figure.Parts) != 2 || len(figure.Parts[0].Parts) != 4 || len(figure.Parts[1].Parts) != 2 {
		t.Errorf("six panels are not in rows of four and two")
	}
	if figure.Width > TextWidth {
		t.Errorf("figure is %v wide, want %v at most", figure.Width, TextWidth)
	}
}

func TestFusedTokensErrors(t *testing.T) {
	for name, c := range map[string]struct {
		img    image.Image
		groups Groups
		want   string
	}{
		"no image":    {nil, alone(2, 2), "plots: the image is empty"},
		"empty image": {image.NewGray(image.Rectangle{}), alone(2, 2), "plots: the image is empty"},
		"too few":     {disc(), Groups{Title: "layer 3", Rows: 2, Cols: 2, Of: []int{1}}, `plots: groups "layer 3" name 1 patches on a grid of 2x2: want one number a patch`},
		"no grid":     {disc(), Groups{}, `plots: groups "" name 0 patches on a grid of 0x0`},
	} {
		if _, err := FusedTokens(c.img, c.groups); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %s", name, err, c.want)
		}
	}
}

func TestPaintColour(t *testing.T) {
	img := image.NewNRGBA(image.Rect(10, 10, 12, 11)) // bounds need not begin at 0
	img.SetNRGBA(10, 10, color.NRGBA{200, 0, 0, 255})
	img.SetNRGBA(11, 10, color.NRGBA{0, 100, 0, 255})
	for name, c := range map[string]struct {
		of   []int
		want color.NRGBA
	}{
		"alone": {[]int{4, 9}, color.NRGBA{200, 0, 0, 255}},
		"fused": {[]int{4, 4}, color.NRGBA{100, 50, 0, 255}},
	} {
		painted := newTints(img).paint(img, Groups{Rows: 1, Cols: 2, Of: c.of})
		if got := painted.At(5, 5); got != c.want {
			t.Errorf("%s: colour %v, want %v", name, got, c.want)
		}
		if painted.Bounds() != image.Rect(0, 0, 560, 280) {
			t.Errorf("%s: painted %v", name, painted.Bounds())
		}
	}
}

// TestTintsStay: a token keeps its tint while it grows, and when two meet, the larger one's stays.
func TestTintsStay(t *testing.T) {
	tints := newTints(disc())
	steps := []struct {
		name string
		of   []int
		want []int
	}{
		{"two tokens", []int{0, 0, 0, 3, 4, 4, 6, 7}, []int{0, 0, 0, -1, 1, 1, -1, -1}},
		{"both grow, a third comes", []int{0, 0, 0, 0, 4, 4, 6, 6}, []int{0, 0, 0, 0, 1, 1, 2, 2}},
		{"other numbers, first two meet", []int{9, 9, 9, 9, 9, 9, 5, 5}, []int{0, 0, 0, 0, 0, 0, 2, 2}},
		{"dropped", []int{9, 9, 9, 9, 9, 9, -1, -1}, []int{0, 0, 0, 0, 0, 0, -1, -1}},
	}
	for _, step := range steps {
		tints.assign(Groups{Rows: 2, Cols: 4, Of: step.of})
		if got := fmt.Sprint(tints.of); got != fmt.Sprint(step.want) {
			t.Errorf("%s: tints %s, want %v", step.name, got, step.want)
		}
	}
}

func TestBorders(t *testing.T) {
	for name, c := range map[string]struct {
		of           []int
		strong, weak int
	}{
		"all alone": {[]int{0, 1, 2, 3}, 0, 4},
		"two rows":  {[]int{0, 0, 1, 1}, 2, 0},
		"one pair":  {[]int{0, 0, 1, 2}, 2, 1},
		"all one":   {[]int{0, 0, 0, 0}, 0, 0},
		"dropped":   {[]int{0, 1, -1, -1}, 0, 3},
	} {
		b := newBorders(Groups{Rows: 2, Cols: 2, Of: c.of})
		if len(b.strong) != c.strong || len(b.weak) != c.weak {
			t.Errorf("%s: %d strong, %d weak, want %d, %d", name, len(b.strong), len(b.weak), c.strong, c.weak)
		}
	}
}
