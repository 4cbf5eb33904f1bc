package datasets

import "image"

// mostWindows is how often the window of a distractor is drawn.
const mostWindows = 10

// random returns the stream of image i: of its article and its clutter.
func (d *Cluttered) random(i int) *stream {
	article, clutter := d.Article(i)
	keys := []uint64{purposeClutter, uint64(article), uint64(clutter + d.epoch)}
	for _, letter := range []byte(d.articles.Split) {
		keys = append(keys, uint64(letter))
	}
	return newStream(d.Clutter.Seed, keys...)
}

// place draws where something of a size stands, whole on the canvas, by its upper left corner.
func (d *Cluttered) place(height, width int, random *stream) image.Point {
	y := random.between(0, d.Clutter.Canvas-height)
	return image.Pt(random.between(0, d.Clutter.Canvas-width), y)
}

// raster makes image i.
func (d *Cluttered) raster(i int, _ bool) (raster, error) {
	article, _ := d.Article(i)
	random := d.random(i)
	own := d.article(article)
	at := d.place(own.height, own.width, random)
	canvas := newEmptyRaster(len(own.planes), d.Clutter.Canvas, d.Clutter.Canvas)
	for range d.Clutter.Distractors {
		other := random.below(d.articles.Len() - 1)
		if other >= article {
			other++
		}
		from := d.article(other)
		window := d.window(from, random)
		canvas.cover(from, window, d.place(d.Clutter.Piece, d.Clutter.Piece, random))
	}
	canvas.cover(own, image.Rect(0, 0, own.width, own.height), at)
	return canvas, nil
}

func (d *Cluttered) article(i int) raster {
	return rasterOf(d.articles.pixels(i), d.articles.Channels, d.articles.Height, d.articles.Width)
}

// window draws where a piece is cut out of an article.
func (d *Cluttered) window(article raster, random *stream) image.Rectangle {
	piece := d.Clutter.Piece
	var window image.Rectangle
	for range mostWindows {
		top, left := random.between(0, article.height-piece), random.between(0, article.width-piece)
		window = image.Rect(left, top, left+piece, top+piece)
		if 2*article.ink(window) >= piece*piece {
			break
		}
	}
	return window
}

// inked reports whether a pixel is above 0 in any channel.
func (r raster) inked(p int) bool {
	for _, plane := range r.planes {
		if plane[p] > 0 {
			return true
		}
	}
	return false
}

// ink counts the pixels of a window that are inked.
func (r raster) ink(window image.Rectangle) int {
	n := 0
	for y := window.Min.Y; y < window.Max.Y; y++ {
		for x := window.Min.X; x < window.Max.X; x++ {
			if r.inked(y*r.width + x) {
				n++
			}
		}
	}
	return n
}

// cover puts the ink of a window of another raster on this one, the window's corner at a point.
func (r raster) cover(from raster, window image.Rectangle, at image.Point) {
	for y := range window.Dy() {
		source, target := (window.Min.Y+y)*from.width+window.Min.X, (at.Y+y)*r.width+at.X
		for x := range window.Dx() {
			if from.inked(source + x) {
				for c, plane := range from.planes {
					r.planes[c][target+x] = plane[source+x]
				}
			}
		}
	}
}
