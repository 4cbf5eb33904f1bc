package datasets

import (
	"fmt"
	"testing"
)

func TestResizedCropIsPillows(t *testing.T) {
	var cuts [][4]int
	readJSON(t, "cuts.json", &cuts)
	from, all := rasterOfFile(t, "scene.png", 3), rasterOfFile(t, "scene.cuts.png", 3)
	for i, c := range cuts {
		got := from.cut(c[0], c[1], c[2], c[3]).resample(span{size: 16, to: 16}, span{size: 24, to: 24}, Bicubic)
		t.Run(fmt.Sprint(c), func(t *testing.T) { checkRaster(t, got, all.cut(i*16, 0, 16, 24)) })
	}
}

func TestResizedCropPart(t *testing.T) {
	crop := InceptionCrop()
	least, most := 1.0, 0.0
	for seed := range uint64(2000) {
		top, left, h, w := crop.part(300, 400, newStream(seed))
		if top < 0 || left < 0 || h < 1 || w < 1 || top+h > 300 || left+w > 400 {
			t.Fatalf("seed %d: %dx%d at %d, %d is not within", seed, h, w, top, left)
		}
		share, ratio := float64(h*w)/(300*400), float64(w)/float64(h)
		if share < 0.078 || share > 1 || ratio < 0.74 || ratio > 1.35 {
			t.Fatalf("seed %d: %v of the area, ratio %v", seed, share, ratio)
		}
		least, most = min(least, share), max(most, share)
	}
	if least > 0.1 || most < 0.9 {
		t.Errorf("shares of %v to %v were drawn, want nearly all from 0.08 to 1", least, most)
	}
}

// Where nothing fits, the middle, worked out by hand.
func TestResizedCropOfLongImages(t *testing.T) {
	tests := map[string]struct{ height, width, top, left, h, w int }{
		"a line":       {10, 1000, 0, 493, 10, 13}, // 10 * 4/3, the rest halved
		"a column":     {1000, 10, 493, 0, 13, 10}, // 10 / (3/4)
		"one pixel":    {1, 1, 0, 0, 1, 1},
		"a short line": {1, 2, 0, 0, 1, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			whole := InceptionCrop()
			whole.MinScale = 1 // so that nothing smaller is drawn
			top, left, h, w := whole.part(test.height, test.width, newStream(1))
			if top != test.top || left != test.left || h != test.h || w != test.w {
				t.Errorf("%dx%d at %d, %d", h, w, top, left)
			}
		})
	}
}

func TestResizedCropCheck(t *testing.T) {
	for want, change := range map[string]func(*ResizedCrop){
		`scales "0" to "1"`:      func(c *ResizedCrop) { c.MinScale = 0 },
		`scales "0.08" to "1.5"`: func(c *ResizedCrop) { c.MaxScale = 1.5 },
		`ratios "2" to "1`:       func(c *ResizedCrop) { c.MinRatio = 2 },
	} {
		crop := InceptionCrop()
		change(&crop)
		checkError(t, Augmentation{ResizedCrop: crop}.check(), want)
	}
	if err := DeiTAugmentation().check(); err != nil {
		t.Error(err)
	}
}
