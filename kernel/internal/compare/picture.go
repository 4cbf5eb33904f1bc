package compare

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/gif"
	_ "image/jpeg"
	_ "image/png"
	"strings"

	"tokenfuse/kernel/internal/nbformat"
)

// mostPixels bounds a picture that is decoded, since a file of some kilobytes may hold gigabytes of one colour.
const mostPixels = 1 << 26

// lastBits is what a channel of a pixel may differ by, of 255.
const lastBits = 8

// picture compares two pictures of one type, frame by frame. In a cell of times only that there is one.
func (c *Cell) picture(where string, before, after nbformat.Bundle, mime string, opts Options) {
	c.Pictures++
	if c.Timing {
		return
	}
	old, ok := decode(before, mime)
	new, too := decode(after, mime)
	if !ok || !too {
		// No picture that Go reads: then the bytes count.
		if content(before, mime) != content(after, mime) {
			c.differ(where, "another %s", mime)
		}
		return
	}
	if len(old) != len(new) {
		c.differ(where, "%d frames, now %d", len(old), len(new))
		return
	}
	for i := range old {
		if was, is := old[i].Bounds().Size(), new[i].Bounds().Size(); was != is {
			c.differ(where, "a picture of %d x %d pixels, now %d x %d", was.X, was.Y, is.X, is.Y)
			return
		}
		differing, most := pixels(old[i], new[i])
		all := old[i].Bounds().Dx() * old[i].Bounds().Dy()
		if share := float64(differing) / float64(max(all, 1)); share > opts.Pixels {
			c.differ(where, "%d of %d pixels (%s), by up to %d of 255", differing, all, percent(share), most)
			return
		}
	}
}

// decode returns the frames of a picture; false where it is none.
func decode(bundle nbformat.Bundle, mime string) ([]image.Image, bool) {
	text, _ := bundle.Text(mime)
	file, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, false
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil || size.Width*size.Height > mostPixels {
		return nil, false
	}
	if mime == "image/gif" {
		all, err := gif.DecodeAll(bytes.NewReader(file))
		if err != nil {
			return nil, false
		}
		frames := make([]image.Image, len(all.Image))
		for i, frame := range all.Image {
			frames[i] = frame
		}
		return frames, true
	}
	decoded, _, err := image.Decode(bytes.NewReader(file))
	return []image.Image{decoded}, err == nil
}

// pixels counts those that differ by more than the last bits, and returns by how much at the most.
func pixels(before, after image.Image) (differing, most int) {
	from, to := before.Bounds().Min, after.Bounds().Min
	size := before.Bounds().Size()
	for y := range size.Y {
		for x := range size.X {
			was, is := channels(before, from.X+x, from.Y+y), channels(after, to.X+x, to.Y+y)
			apart := 0
			for i := range was {
				apart = max(apart, was[i]-is[i], is[i]-was[i])
			}
			if apart > lastBits {
				differing++
				most = max(most, apart)
			}
		}
	}
	return differing, most
}

func channels(picture image.Image, x, y int) [4]int {
	r, g, b, a := picture.At(x, y).RGBA()
	return [4]int{int(r >> 8), int(g >> 8), int(b >> 8), int(a >> 8)}
}
