package plots

import (
	"cmp"
	"image"
	"image/color"
	"slices"
)

// gifColours is what a GIF file can hold.
const gifColours = 256

// paletteOf returns colours for pictures: all of theirs where these are few, else those of median cut.
// Source: Heckbert, Color Image Quantization for Frame Buffer Display, SIGGRAPH 1982.
func paletteOf(pictures []image.Image) color.Palette {
	counts := map[color.NRGBA]int{}
	for _, picture := range pictures {
		size := picture.Bounds().Size()
		for y := range size.Y {
			for x := range size.X {
				counts[at(picture, x, y)]++
			}
		}
	}
	var all box
	for c, n := range counts {
		all = append(all, counted{c, n})
	}
	slices.SortFunc(all, func(a, b counted) int { return cmp.Compare(a.key(), b.key()) })
	boxes := []box{all}
	for len(boxes) < min(gifColours, len(all)) {
		widest := 0
		for i, b := range boxes {
			if b.weight() > boxes[widest].weight() {
				widest = i
			}
		}
		one, other := boxes[widest].cut()
		boxes[widest] = one
		boxes = append(boxes, other)
	}
	palette := make(color.Palette, len(boxes))
	for i, b := range boxes {
		palette[i] = b.mean()
	}
	return palette
}

// counted is a colour and how many pixels have it.
type counted struct {
	colour color.NRGBA
	n      int
}

func (c counted) channels() [3]uint8 { return [3]uint8{c.colour.R, c.colour.G, c.colour.B} }

func (c counted) key() int { return int(c.colour.R)<<16 | int(c.colour.G)<<8 | int(c.colour.B) }

// box is colours that become one.
type box []counted

// widest returns the channel in which the colours differ most, and by how much.
func (b box) widest() (channel, span int) {
	for i := range 3 {
		low, high := 0xFF, 0
		for _, c := range b {
			low, high = min(low, int(c.channels()[i])), max(high, int(c.channels()[i]))
		}
		if high-low > span {
			channel, span = i, high-low
		}
	}
	return channel, span
}

// weight says how much is lost where the colours become one; 0 for one colour.
func (b box) weight() int {
	_, span := b.widest()
	pixels := 0
	for _, c := range b {
		pixels += c.n
	}
	return span * span * pixels
}

// cut halves the box, by pixels, along its widest channel.
func (b box) cut() (box, box) {
	channel, _ := b.widest()
	slices.SortStableFunc(b, func(a, c counted) int { return cmp.Compare(a.channels()[channel], c.channels()[channel]) })
	pixels := 0
	for _, c := range b {
		pixels += c.n
	}
	half, i := 0, 0
	for i < len(b)-1 && half < pixels/2 {
		half += b[i].n
		i++
	}
	i = max(i, 1)
	return b[:i:i], b[i:]
}

func (b box) mean() color.NRGBA {
	var sum [3]int
	pixels := 0
	for _, c := range b {
		for i, v := range c.channels() {
			sum[i] += int(v) * c.n
		}
		pixels += c.n
	}
	return color.NRGBA{uint8(sum[0] / pixels), uint8(sum[1] / pixels), uint8(sum[2] / pixels), 0xFF}
}
