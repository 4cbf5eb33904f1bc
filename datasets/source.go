package datasets

import (
	"context"
	"iter"
)

// Source is a set of labelled images that gives them out as a model takes them: out of memory
// (*Images), from picture files that are decoded when they are asked for (*Pictures), or drawn then
// (*Cluttered).
type Source interface {
	About() About
	// Len returns the number of images.
	Len() int
	// Label returns the class of image i, an index into About().Classes; i is within 0..Len()-1.
	Label(i int) int
	// Stream yields all images in their order, normalised, size at a time (below 1: all at once); the
	// last batch may be smaller. It ends with an error where an image cannot be read or ctx is
	// cancelled. Each batch has memory of its own.
	Stream(ctx context.Context, size int) iter.Seq2[Batch, error]
	// Dataset returns the images as a GoMLX dataset for training. An order that holds no batch, or is
	// out of range, is an error.
	Dataset(order Order) (*Dataset, error)
}

// About says what a Source holds.
type About struct {
	Name    string
	Split   Split
	Classes []string // class names; a label is an index into it
	// Height, Width and Channels are those of each image in a batch.
	Height, Width, Channels int
}

var (
	_ Source = (*Images)(nil)
	_ Source = (*Pictures)(nil)
)

// About implements Source.
func (d *Images) About() About {
	return About{Name: d.Name, Split: d.Split, Classes: d.Classes, Height: d.Height, Width: d.Width, Channels: d.Channels}
}

// Stream is Batches that ends with ctx's error when ctx is cancelled; it implements Source.
func (d *Images) Stream(ctx context.Context, size int) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for batch := range d.Batches(size) {
			if err := ctx.Err(); err != nil {
				yield(Batch{}, err)
				return
			}
			if !yield(batch, nil) {
				return
			}
		}
	}
}

func (d *Images) frame() frame { return newFrame(d.Height, d.Width, d.Mean, d.Std) }

func (d *Images) raster(i int, _ bool) (raster, error) {
	return rasterOf(d.pixels(i), d.Channels, d.Height, d.Width), nil
}
