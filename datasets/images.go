// Package datasets holds labelled images: Fashion-MNIST, CIFAR-10 and CIFAR-100, found on the machine or
// downloaded and verified (FashionMNIST, CIFAR10, CIFAR100), picture files in ImageNet's layout (Folder),
// a benchmark whose foreground is known (ClutteredFashionMNIST), and small generated ones (Shapes). [Open]
// finds them by name.
//
// Images are in memory as plain values, Pictures are decoded and Cluttered drawn when they are asked
// for; all are a [Source]. A source gives them out as normalised float32 batches, and as a GoMLX dataset for training
// whose order and [Augmentation] depend on (seed, epoch, index) alone, so that a run can resume where it
// stopped. What is made of pixels is what Pillow makes of them: resizing (Transform, ResizedCrop),
// RandAugment. Files are decoded as Pillow does, but for grey PNGs of 16 bits, of which the upper 8 count
// where Pillow clips to 255 (see DecodeImage).
//
//	data, err := datasets.CIFAR10(datasets.Test)
//	data, err := datasets.Folder("imagenet", datasets.Validation, input)
package datasets

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"slices"
)

// Split names a part of a dataset.
type Split string

// The splits.
const (
	Train Split = "train"
	Test  Split = "test"
	// Validation is what Holdout holds back.
	Validation Split = "validation"
)

// Images is a dataset of labelled images, all of one size. Its fields are to be read, not changed:
// datasets derived from one another (First) may share their pixels.
type Images struct {
	Name    string   // such as "fashion-mnist"
	Split   Split    // the split the images were taken from
	Classes []string // class names; a label is an index into it

	Height, Width, Channels int

	Pixels []uint8 // [images, channels, height, width], 0 (black) to 255
	Labels []int32 // [images]

	// Mean and Std normalise batches: (pixel/255 - Mean) / Std, one of each per channel.
	Mean, Std []float32
}

// Len returns the number of images.
func (d *Images) Len() int { return len(d.Labels) }

// Label returns the class of image i. An i outside 0..Len()-1 panics, as indexing a slice does.
func (d *Images) Label(i int) int { return int(d.Labels[i]) }

// ClassName returns the name of the class of image i; i as for Label.
func (d *Images) ClassName(i int) string { return d.Classes[d.Labels[i]] }

// Image returns image i, a copy, as a Go image: *image.Gray for one channel, else *image.NRGBA.
// An i outside 0..Len()-1 panics, as indexing a slice does.
func (d *Images) Image(i int) image.Image {
	planes, area := d.pixels(i), d.Height*d.Width
	bounds := image.Rect(0, 0, d.Width, d.Height)
	if d.Channels == 1 {
		return &image.Gray{Pix: slices.Clone(planes), Stride: d.Width, Rect: bounds}
	}
	picture := image.NewNRGBA(bounds)
	for p := range area {
		picture.SetNRGBA(p%d.Width, p/d.Width, color.NRGBA{
			R: planes[p], G: planes[area+p], B: planes[2*area+p], A: 255,
		})
	}
	return picture
}

// String says what the dataset is: `fashion-mnist test: 10000 images, 28x28x1, 10 classes`.
func (d *Images) String() string {
	return fmt.Sprintf("%s %s: %d images, %dx%dx%d, %d classes",
		d.Name, d.Split, d.Len(), d.Height, d.Width, d.Channels, len(d.Classes))
}

// SHA256 returns the checksum of the content, in hex, for model cards and provenance: over
// `images N channels C height H width W` and a line feed, the pixels, and the labels as little-endian
// int32. It does not depend on where the files came from or how they were compressed.
func (d *Images) SHA256() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "images %d channels %d height %d width %d\n", d.Len(), d.Channels, d.Height, d.Width)
	sum.Write(d.Pixels)
	sum.Write(littleEndian(d.Labels))
	return hex.EncodeToString(sum.Sum(nil))
}

func littleEndian(labels []int32) []byte {
	all := make([]byte, 0, 4*len(labels))
	for _, label := range labels {
		all = binary.LittleEndian.AppendUint32(all, uint32(label))
	}
	return all
}

// imageSize returns the number of pixels of an image, over all channels.
func (d *Images) imageSize() int { return d.Channels * d.Height * d.Width }

// pixels returns the pixels of image i, [channels, height, width], not copied.
func (d *Images) pixels(i int) []uint8 {
	size := d.imageSize()
	return d.Pixels[i*size : (i+1)*size : (i+1)*size]
}
