package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"iter"
)

// Cluttered are articles, each whole at a random place of a black canvas, among distractors: square
// pieces cut from other articles of the same split. It is to Fashion-MNIST what cluttered MNIST (Mnih et
// al. 2014, arXiv 1406.6247, section 4.1) is to MNIST: most of an image is of no use, some of it
// misleads, and where the article is, is known.
//
// An image is made in this order, everything even over what is possible:
//  1. the article's place, whole on the canvas, in pixels: patches of a model do not align with it;
//  2. each distractor: its article, any but the image's own, of whatever class; the window that is cut
//     out of it, drawn again, at most 10 times, while less than half of it is ink; its place, whole on
//     the canvas;
//  3. the article, last. Ink, that is every pixel above 0, covers what is below it; what is no ink is
//     clear. So distractors may lie beside the article, under it, and show through where it has no ink
//     (between the legs of trousers), but no distractor hides any of its ink: what the class can be
//     told from is always there, and the foreground is exactly the article's ink. A later distractor
//     covers an earlier one in the same way.
//
// (Cluttered MNIST takes windows as they come, empty or not, and adds up what overlaps, the digit
// too, to at most white. A sum or a maximum would let a bright distractor hide a dark article.) Six in a
// hundred of an article's inked pixels are fainter than 9 of 255: foreground all the same, and dark
// where they cover a distractor.
//
// Nothing is kept but the articles: an image is made when it is asked for, in microseconds. It depends on
// (seed, split, articles, article, clutter) alone, whatever the order and by however many goroutines.
// Image i of a split of n articles is article i%n in clutter i/n, see Article; the training split has one
// clutter, that of the epoch. It is safe for use by several goroutines.
type Cluttered struct {
	Clutter Clutter
	// Mean and Std normalise batches, as those of Images do.
	Mean, Std []float32

	articles *Images
	n        int // images
	epoch    int // of training images in new clutter each epoch
}

var _ Source = (*Cluttered)(nil)

// ClutteredFashionMNIST returns Fashion-MNIST in clutter; options are those of FashionMNIST. Images
// of all settings are normalised by mean and deviation of the training images in the default one, so that a
// model can be tried on harder clutter than it was trained on.
func ClutteredFashionMNIST(split Split, c Clutter, options ...Option) (*Cluttered, error) {
	articles, err := FashionMNIST(split, options...)
	if err != nil {
		return nil, err
	}
	d, err := c.Around(articles)
	if err != nil {
		return nil, err
	}
	d.Mean, d.Std = []float32{0.1750}, []float32{0.3105}
	return d, nil
}

// Around puts articles of one's own into clutter: any images on black, a part of Fashion-MNIST
// (Images.Holdout). Mean and Std are theirs. Articles larger than the canvas or smaller than a piece, or a single one, of
// which nothing else is left to cut distractors from, are an error.
func (c Clutter) Around(articles *Images) (*Cluttered, error) {
	if err := c.fits(articles); err != nil {
		return nil, err
	}
	d := &Cluttered{Clutter: c, Mean: articles.Mean, Std: articles.Std, articles: articles, n: articles.Len()}
	if articles.Split != Train {
		d.n *= c.Clutters
	}
	return d, nil
}

// About implements Source; the name holds the settings that differ from the defaults, and for
// Fashion-MNIST opens the same images again (ParseClutter, Open).
func (d *Cluttered) About() About {
	about := d.articles.About()
	about.Name = "cluttered-" + about.Name + d.Clutter.settings()
	about.Height, about.Width = d.Clutter.Canvas, d.Clutter.Canvas
	return about
}

// Len returns the number of images: the articles, outside of the training split times clutters.
func (d *Cluttered) Len() int { return d.n }

// Articles returns the articles, as they are without clutter. They are to be read, not changed.
func (d *Cluttered) Articles() *Images { return d.articles }

// Article returns which article image i shows, an index into the articles' own split, and in which of
// its clutters, 0 to Clutters-1; i is within 0..Len()-1.
func (d *Cluttered) Article(i int) (article, clutter int) {
	return i % d.articles.Len(), i / d.articles.Len()
}

// Group is Article's article: images of one article are no independent evidence (see ablation.Grouped).
func (d *Cluttered) Group(i int) int {
	article, _ := d.Article(i)
	return article
}

// Label returns the class of image i. An i outside 0..Len()-1 panics, as indexing a slice does.
func (d *Cluttered) Label(i int) int {
	article, _ := d.Article(i)
	return d.articles.Label(article)
}

// ClassName returns the name of the class of image i; i as for Label.
func (d *Cluttered) ClassName(i int) string { return d.articles.Classes[d.Label(i)] }

// Image makes image i; i as for Label.
func (d *Cluttered) Image(i int) image.Image {
	made, _ := d.raster(i, false)
	return made.image()
}

// First returns the first n images, or all where there are fewer; none for a negative n. Up to the
// number of articles, they show an article each.
func (d *Cluttered) First(n int) *Cluttered {
	first := *d
	first.n = max(0, min(n, d.n))
	return &first
}

// String says what the dataset is: `cluttered-fashion-mnist test: 30000 images, 48x48x1, 10 classes`.
func (d *Cluttered) String() string {
	about := d.About()
	return fmt.Sprintf("%s %s: %d images, %dx%dx%d, %d classes",
		about.Name, about.Split, d.n, about.Height, about.Width, about.Channels, len(about.Classes))
}

// SHA256 returns the checksum of the images and labels, made one after another; see Images.SHA256.
func (d *Cluttered) SHA256() string {
	about, sum := d.About(), sha256.New()
	fmt.Fprintf(sum, "images %d channels %d height %d width %d\n", d.n, about.Channels, about.Height, about.Width)
	labels := make([]int32, d.n)
	for i := range labels {
		made, _ := d.raster(i, false)
		for _, plane := range made.planes {
			sum.Write(plane)
		}
		labels[i] = int32(d.Label(i))
	}
	sum.Write(littleEndian(labels))
	return hex.EncodeToString(sum.Sum(nil))
}

// Stream implements Source. Images are made by as many goroutines as may run at once, a batch ahead of
// the consumer.
func (d *Cluttered) Stream(ctx context.Context, size int) iter.Seq2[Batch, error] {
	return streamed(ctx, d, size)
}

// Dataset returns the images as a GoMLX dataset. In an epoch of the training split each article is
// in that epoch's clutter, unless Clutter.Fixed. An order that holds no batch, or is out of range, is an
// error.
func (d *Cluttered) Dataset(order Order) (*Dataset, error) { return newDataset(d, order) }

func (d *Cluttered) frame() frame {
	return newFrame(d.Clutter.Canvas, d.Clutter.Canvas, d.Mean, d.Std)
}

// inEpoch implements renewed.
func (d *Cluttered) inEpoch(epoch int) feed {
	if d.articles.Split != Train || d.Clutter.Fixed {
		return d
	}
	renewed := *d
	renewed.epoch = epoch
	return &renewed
}
