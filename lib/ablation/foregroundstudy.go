package ablation

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/datasets"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/result"
	"tokenfuse/lib/vit"
)

// foregroundBatch is the number of images that MeasureForeground traces at once: source maps of all
// layers take memory.
const foregroundBatch = 50

// Masked is a set of images whose foreground is known, such as *datasets.Cluttered.
type Masked interface {
	datasets.Source
	// ForegroundShares returns the share of foreground in each patch of patch x patch pixels of image i,
	// row by row, in [0, 1].
	ForegroundShares(i, patch int) ([]float64, error)
	// Article returns what image i shows, and which of its images it is. Images of one article are not
	// independent of each other.
	Article(i int) (article, clutter int)
}

var _ Masked = (*datasets.Cluttered)(nil)

// Foreground is Run whose rows also say what each method does with the foreground, behind the last
// block (result.Foreground). The images must be Masked.
func (s Study) Foreground(ctx context.Context, methods ...fusion.Method) ([]result.Row, error) {
	masked, ok := s.Images.(Masked)
	if !ok {
		return nil, unmasked(s.Images)
	}
	backend, err := accel.Backend()
	if err != nil {
		return nil, err
	}
	return s.rows(methods, backend, func(t *tally, row *result.Row, progress func(done int)) error {
		layers, err := measureForeground(ctx, t.classifier, masked, func(labels []int32, traced *vit.Prediction) error {
			if err := t.add(labels, traced.Logits, traced.Counts); err != nil {
				return err
			}
			progress(t.images)
			return nil
		})
		if err != nil {
			return err
		}
		row.Foreground = layers[len(layers)-1]
		return nil
	})
}

func unmasked(images datasets.Source) error {
	return fmt.Errorf("ablation: the foreground of %s is not known: take datasets.ClutteredFashionMNIST", images.About().Name)
}

// MeasureForeground traces the images and returns what became of their foreground behind each block,
// [depth]: means over images, of those where there is a value, and standard errors. Images of one article
// count as one observation in the errors (the variance of clustered means), not in the means.
func MeasureForeground(ctx context.Context, c *vit.Classifier, images Masked) ([]result.Foreground, error) {
	return measureForeground(ctx, c, images, func([]int32, *vit.Prediction) error { return nil })
}

// measureForeground is MeasureForeground that shows each batch's labels and prediction on the way.
func measureForeground(ctx context.Context, c *vit.Classifier, images Masked, each func(labels []int32, traced *vit.Prediction) error) ([]result.Foreground, error) {
	about, config := images.About(), c.Model.Config
	layers := make([]foregrounds, config.Depth)
	done := 0
	for b, err := range images.Stream(ctx, foregroundBatch) {
		if err != nil {
			return nil, err
		}
		traced, err := c.Trace(tensors.FromFlatDataAndDimensions(b.Images, b.N, about.Channels, about.Height, about.Width))
		if err != nil {
			return nil, err
		}
		if err := each(b.Labels, traced); err != nil {
			return nil, err
		}
		shares := make([][]float64, b.N)
		for k := range shares {
			if shares[k], err = images.ForegroundShares(done+k, config.PatchSize); err != nil {
				return nil, err
			}
		}
		for layer, sources := range traced.Layers {
			flat := tensors.MustCopyFlatData[float32](sources)
			size := len(flat) / b.N
			for k := range b.N {
				f, err := ForegroundOf(flat[k*size:(k+1)*size], shares[k], config.Protected())
				if err != nil {
					return nil, fmt.Errorf("%w (image %d behind block %d under %s)", err, done+k, layer, c.Method.Name())
				}
				article, _ := images.Article(done + k)
				layers[layer].add(article, f)
			}
		}
		done += b.N
	}
	if done == 0 {
		return nil, fmt.Errorf("ablation: no images whose foreground to measure")
	}
	rows := make([]result.Foreground, len(layers))
	for i := range layers {
		rows[i] = layers[i].row()
	}
	return rows, nil
}

// foregrounds are those of several images behind one block.
type foregrounds struct {
	kept, patches, groups, purity, own, other sample
	ownTokens, otherTokens                    []float64
	images                                    float64
}

func (s *foregrounds) add(article int, f Foreground) {
	s.images++
	s.kept.add(article, f.Kept)
	s.patches.add(article, f.PatchesKept)
	s.groups.add(article, f.GroupPurity)
	s.purity.add(article, f.Purity)
	s.own.add(article, meanSize(f.ForegroundSizes))
	s.other.add(article, meanSize(f.BackgroundSizes))
	s.ownTokens = sum(s.ownTokens, bySize(f.ForegroundSizes))
	s.otherTokens = sum(s.otherTokens, bySize(f.BackgroundSizes))
}

func (s *foregrounds) row() result.Foreground {
	var r result.Foreground
	r.ForegroundKept, r.ForegroundKeptError = s.kept.mean()
	r.PatchesKept, r.PatchesKeptError = s.patches.mean()
	r.GroupPurity, r.GroupPurityError = s.groups.mean()
	r.ForegroundPurity, r.ForegroundPurityError = s.purity.mean()
	r.ForegroundSize, r.ForegroundSizeError = s.own.mean()
	r.BackgroundSize, r.BackgroundSizeError = s.other.mean()
	for _, n := range s.ownTokens {
		r.ForegroundTokens = append(r.ForegroundTokens, n/s.images)
	}
	for _, n := range s.otherTokens {
		r.BackgroundTokens = append(r.BackgroundTokens, n/s.images)
	}
	return r
}

// meanSize is NaN where there is none.
func meanSize(sizes []int) float64 {
	total := 0
	for _, size := range sizes {
		total += size
	}
	return float64(total) / float64(len(sizes))
}

// sum adds lists of different lengths.
func sum(a, b []float64) []float64 {
	for i, v := range b {
		if i == len(a) {
			a = append(a, 0)
		}
		a[i] += v
	}
	return a
}

// sample are values of images, those of one article together.
type sample struct {
	values   []float64
	articles []int
}

// add takes a value; NaN, there being none, is left out.
func (s *sample) add(article int, value float64) {
	if !math.IsNaN(value) {
		s.values, s.articles = append(s.values, value), append(s.articles, article)
	}
}

// mean returns the mean of the values and its standard error: with the deviations from the mean added up
// within each of G articles to d, of n values in all, sqrt(G/(G-1) * sum d^2) / n (Cochran, Sampling
// Techniques, chapter 9A, a ratio to cluster size). With one value an article it is s/sqrt(n). Of one
// article it is 0, not known; without values both are.
func (s *sample) mean() (mean, standardError float64) {
	n := float64(len(s.values))
	if n == 0 {
		return 0, 0
	}
	for _, v := range s.values {
		mean += v
	}
	mean /= n
	deviations := map[int]float64{}
	for i, v := range s.values {
		deviations[s.articles[i]] += v - mean
	}
	clusters := float64(len(deviations))
	if clusters < 2 {
		return mean, 0
	}
	var squares float64
	for _, article := range slices.Sorted(maps.Keys(deviations)) { // in one order: the same last bit each time
		squares += deviations[article] * deviations[article]
	}
	return mean, math.Sqrt(squares*clusters/(clusters-1)) / n
}
