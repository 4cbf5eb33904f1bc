package plots

import (
	"image"
	"image/color"
	"maps"
	"slices"
)

// pixels is the least size that images are enlarged to, by whole factors, so that a renderer's
// smoothing does not blur their few pixels.
const pixels = 280

// tints gives the tokens of successive layers their colours.
type tints struct {
	grey bool
	// of holds the tint of each patch after the last layer painted, -1 for none.
	of []int
}

func newTints(img image.Image) *tints { return &tints{grey: isGrey(img)} }

// paint returns the image, enlarged, in the colours of its tokens.
func (t *tints) paint(img image.Image, g Groups) image.Image {
	t.assign(g)
	members := g.members()
	means := map[int]color.NRGBA{}
	for token, patches := range members {
		means[token] = meanColour(img, g, patches)
	}
	out := enlarge(img)
	size := out.Rect.Size()
	for y := range size.Y {
		for x := range size.X {
			patch := y*g.Rows/size.Y*g.Cols + x*g.Cols/size.X
			token := g.Of[patch]
			pixel := out.NRGBAAt(x, y)
			switch {
			case token < 0:
				pixel = hatch(pixel, x+y, max(size.X/pixels, 1))
			case len(members[token]) < 2:
			case t.grey:
				pixel = shade(tint(t.of[patch]), pixel.R)
			default:
				pixel = means[token]
			}
			out.SetNRGBA(x, y, pixel)
		}
	}
	return out
}

// assign chooses a tint for each token of several patches: the one that most of its patches had,
// unless a larger token has taken it, else the first that is free.
func (t *tints) assign(g Groups) {
	before := t.of
	if len(before) != len(g.Of) {
		before = slices.Repeat([]int{-1}, len(g.Of))
	}
	t.of = slices.Repeat([]int{-1}, len(g.Of))
	members := g.members()
	tokens := slices.SortedFunc(maps.Keys(members), func(a, b int) int {
		if d := len(members[b]) - len(members[a]); d != 0 {
			return d
		}
		return members[a][0] - members[b][0]
	})
	taken := map[int]bool{}
	take := func(token, tint int) {
		taken[tint] = true
		for _, patch := range members[token] {
			t.of[patch] = tint
		}
	}
	var fresh []int
	for _, token := range tokens {
		if len(members[token]) < 2 {
			continue
		}
		votes := map[int]int{}
		best := -1
		for _, patch := range members[token] {
			if tint := before[patch]; tint >= 0 && !taken[tint] {
				votes[tint]++
				if best < 0 || votes[tint] > votes[best] {
					best = tint
				}
			}
		}
		if best < 0 {
			fresh = append(fresh, token)
			continue
		}
		take(token, best)
	}
	next := 0
	for _, token := range fresh {
		for taken[next] {
			next++
		}
		take(token, next)
	}
}

// tint returns the i-th colour: the palette, then its lighter and darker shades, then again.
func tint(i int) color.NRGBA {
	base := colours[i%len(colours)]
	switch i / len(colours) % 3 {
	case 1:
		return blend(base, grey(0xFF), 0.5)
	case 2:
		return blend(base, grey(0x00), 0.45)
	}
	return base
}

func grey(level uint8) color.NRGBA { return color.NRGBA{level, level, level, 0xFF} }

// blend mixes two opaque colours; part is that of b.
func blend(a, b color.NRGBA, part float64) color.NRGBA {
	mix := func(a, b uint8) uint8 { return uint8(float64(a)*(1-part) + float64(b)*part + 0.5) }
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 0xFF}
}

// shade lightens and darkens a tint by a level of grey; black and white keep it as well.
func shade(tint color.NRGBA, level uint8) color.NRGBA {
	part := float64(level) / 0xFF
	return blend(blend(tint, grey(0x00), 0.35), blend(tint, grey(0xFF), 0.55), part)
}

// hatch draws a dropped patch faint under diagonal lines.
func hatch(pixel color.NRGBA, diagonal, scale int) color.NRGBA {
	if diagonal/scale%10 < 3 {
		return grey(0x99)
	}
	return blend(pixel, grey(0xFF), 0.7)
}

// meanColour is the mean over the pixels whose centre lies in the patches.
func meanColour(img image.Image, g Groups, patches []int) color.NRGBA {
	bounds := img.Bounds()
	var sum [3]int
	n := 0
	for _, patch := range patches {
		row, col := patch/g.Cols, patch%g.Cols
		for y := row * bounds.Dy() / g.Rows; y < (row+1)*bounds.Dy()/g.Rows; y++ {
			for x := col * bounds.Dx() / g.Cols; x < (col+1)*bounds.Dx()/g.Cols; x++ {
				p := at(img, x, y)
				sum[0], sum[1], sum[2] = sum[0]+int(p.R), sum[1]+int(p.G), sum[2]+int(p.B)
				n++
			}
		}
	}
	n = max(1, n) // more patches than pixels
	return color.NRGBA{uint8(sum[0] / n), uint8(sum[1] / n), uint8(sum[2] / n), 0xFF}
}

// at returns a pixel counted from the image's upper left corner.
func at(img image.Image, x, y int) color.NRGBA {
	origin := img.Bounds().Min
	return color.NRGBAModel.Convert(img.At(origin.X+x, origin.Y+y)).(color.NRGBA)
}

func isGrey(img image.Image) bool {
	bounds := img.Bounds()
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			if p := at(img, x, y); p.R != p.G || p.G != p.B {
				return false
			}
		}
	}
	return true
}

// enlarge repeats each pixel as often, at the least, as a panel needs to show it as a square.
func enlarge(img image.Image) *image.NRGBA {
	size := img.Bounds().Size()
	shorter := max(1, min(size.X, size.Y))
	factor := (pixels + shorter - 1) / shorter
	out := image.NewNRGBA(image.Rect(0, 0, size.X*factor, size.Y*factor))
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			out.SetNRGBA(x, y, at(img, x/factor, y/factor))
		}
	}
	return out
}
