package datasets

import (
	"context"
	"fmt"
	"image"
	"iter"
	"maps"
	"slices"
	"sync"
)

// Pictures is a dataset of labelled picture files, as Folder returns it, decoded when they are asked for, as many at a time
// as there are processors: ImageNet does not fit in memory. Its fields may be changed before it is
// used; it is then safe for use by several goroutines.
type Pictures struct {
	Name    string
	Split   Split
	Classes []string // class names; a label is an index into it
	// Input makes a model's input of a picture. Training images that are augmented by ResizedCrop take
	// of it the size and what normalises; others are altered after it.
	Input Transform
	// SkipBroken leaves out what cannot be decoded, and remembers it for Broken: its batch is smaller.
	// Otherwise such a file is an error that names it.
	SkipBroken bool

	files  []pictureFile
	broken *broken
}

// pictureFile is a picture and its class.
type pictureFile struct {
	path  string
	label int32
}

// broken are the files that were left out, of all Pictures derived from one another.
type broken struct {
	sync.Mutex
	paths map[string]bool
}

// Len returns the number of files.
func (p *Pictures) Len() int { return len(p.files) }

// Label returns the class of picture i. An i outside 0..Len()-1 panics, as indexing a slice does.
func (p *Pictures) Label(i int) int { return int(p.files[i].label) }

// ClassName returns the name of the class of picture i; i as for Label.
func (p *Pictures) ClassName(i int) string { return p.Classes[p.files[i].label] }

// Path returns where picture i is; i as for Label.
func (p *Pictures) Path(i int) string { return p.files[i].path }

// Image decodes picture i; i as for Label.
func (p *Pictures) Image(i int) (image.Image, error) { return DecodeImage(p.files[i].path) }

// String says what the dataset is: `imagenet validation: 50000 picture files, 1000 classes`.
func (p *Pictures) String() string {
	return fmt.Sprintf("%s %s: %d picture files, %d classes", p.Name, p.Split, p.Len(), len(p.Classes))
}

// About implements Source: height, width and channels are those of Input.
func (p *Pictures) About() About {
	return About{Name: p.Name, Split: p.Split, Classes: p.Classes,
		Height: p.Input.Height, Width: p.Input.Width, Channels: p.Input.Channels}
}

// First returns the first n pictures, or all where there are fewer; none for a negative n. Files stand
// in the order of their classes: take the first of Shuffled for some of each.
func (p *Pictures) First(n int) *Pictures {
	first := *p
	first.files = p.files[:max(0, min(n, p.Len()))]
	return &first
}

// Subset returns the pictures at the given indices, in that order; an index may come twice. An index
// outside 0..Len()-1 is an error.
func (p *Pictures) Subset(indices []int) (*Pictures, error) {
	subset := *p
	subset.files = make([]pictureFile, len(indices))
	for k, i := range indices {
		if i < 0 || i >= p.Len() {
			return nil, fmt.Errorf("datasets: %s %s has no picture \"%d\": take 0 to %d", p.Name, p.Split, i, p.Len()-1)
		}
		subset.files[k] = p.files[i]
	}
	return &subset, nil
}

// Shuffled returns the pictures in an order that depends on the seed and their number alone.
func (p *Pictures) Shuffled(seed uint64) *Pictures {
	shuffled, _ := p.Subset(permutation(p.Len(), newStream(seed, purposeShuffle)))
	return shuffled
}

// Broken returns the paths of the files that were left out so far, sorted: of these pictures and of
// those that they were taken from (First, Subset, Shuffled).
func (p *Pictures) Broken() []string {
	if p.broken == nil {
		return nil
	}
	p.broken.Lock()
	defer p.broken.Unlock()
	return slices.Sorted(maps.Keys(p.broken.paths))
}

// Stream implements Source. Pictures are decoded by as many goroutines as may run at once, a batch
// ahead of the consumer; their order does not depend on that. Where all of a batch is left out
// (SkipBroken), so is the batch.
func (p *Pictures) Stream(ctx context.Context, size int) iter.Seq2[Batch, error] {
	if err := p.Input.Validate(); err != nil {
		return func(yield func(Batch, error) bool) { yield(Batch{}, err) }
	}
	return streamed(ctx, p, size)
}

func (p *Pictures) frame() frame { return p.Input.frame() }

func (p *Pictures) raster(i int, whole bool) (raster, error) {
	picture, err := p.Image(i)
	switch {
	case err != nil && p.SkipBroken:
		p.broken.Lock()
		defer p.broken.Unlock()
		p.broken.paths[p.Path(i)] = true
		return raster{}, errLeftOut
	case err != nil:
		return raster{}, err
	case whole:
		return newRaster(flatten(picture), p.Input.Channels), nil
	}
	return p.Input.raster(picture), nil
}
