package datasets

import (
	"fmt"
	"image"
)

// Place returns where on the canvas the article of image i stands, with what is around its ink: 28x28
// pixels; i as for Label.
func (d *Cluttered) Place(i int) image.Rectangle {
	height, width := d.articles.Height, d.articles.Width
	at := d.place(height, width, d.random(i))
	return image.Rectangle{Min: at, Max: at.Add(image.Pt(width, height))}
}

// Foreground returns which pixels of image i, row by row, are the article's ink: every pixel of it above 0,
// however faint; i as for Label.
func (d *Cluttered) Foreground(i int) []bool {
	article, _ := d.Article(i)
	own, place := d.article(article), d.Place(i)
	mask := make([]bool, d.Clutter.Canvas*d.Clutter.Canvas)
	for y := range own.height {
		for x := range own.width {
			mask[(place.Min.Y+y)*d.Clutter.Canvas+place.Min.X+x] = own.inked(y*own.width + x)
		}
	}
	return mask
}

// ForegroundShares returns the share of each patch of image i that is foreground, in [0, 1], row by row
// of patches of patch x patch pixels, [rows * columns]; i as for Label. A canvas that does not divide
// into such patches is an error.
func (d *Cluttered) ForegroundShares(i, patch int) ([]float64, error) {
	side := d.Clutter.Canvas
	if patch < 1 || side%patch != 0 {
		return nil, fmt.Errorf("datasets: a canvas of %d does not divide into patches of %d", side, patch)
	}
	columns := side / patch
	shares := make([]float64, columns*columns)
	for p, ink := range d.Foreground(i) {
		if ink {
			shares[p/side/patch*columns+p%side/patch]++
		}
	}
	for k := range shares {
		shares[k] /= float64(patch * patch)
	}
	return shares, nil
}
