package datasets

import (
	"fmt"
	"math"
)

// Mix mixes the images of a batch with those of the batch in reverse, by one share lambda for all, and
// their labels by the same: targets lambda*y + (1-lambda)*y', [batch, classes]. It is timm's Mixup in
// its "batch" mode, as DeiT is trained, but that label smoothing is left to the loss, which comes to the
// same. The zero value does nothing.
type Mix struct {
	// Mixup is the alpha of mixup (arXiv 1710.09412, equation 1), images lambda*x + (1-lambda)*x' with
	// lambda of the beta distribution of (alpha, alpha); 0 is without it. DeiT: 0.8.
	Mixup float64
	// CutMix is the alpha of CutMix (arXiv 1905.04899, equations 1 and 2), a box, 1-lambda of the area,
	// of one image pasted into the other; lambda is then what the box, cut at the borders, leaves. 0 is
	// without it. DeiT: 1. Where both are on, each batch takes one of them, every other time.
	CutMix float64
}

// mixture is a batch, mixed or not.
type mixture struct {
	Batch
	targets []float32 // [N, classes]; nil if not mixed
}

func (m Mix) on() bool { return m != Mix{} }

func (m Mix) check() error {
	for name, alpha := range map[string]float64{"mixup": m.Mixup, "cutmix": m.CutMix} {
		if !(alpha >= 0 && alpha <= 100) {
			return fmt.Errorf("datasets: alpha of %s \"%v\" is not within 0 and 100", name, alpha)
		}
	}
	return nil
}

// apply draws how to mix a batch, and mixes it in place.
func (m Mix) apply(batch Batch, about About, random *stream) mixture {
	cut := m.CutMix > 0 && (m.Mixup == 0 || random.unit() < 0.5)
	if !cut {
		lambda := random.beta(m.Mixup)
		mixup(batch, lambda)
		return mixture{batch, targets(batch.Labels, len(about.Classes), lambda)}
	}
	lambda := random.beta(m.CutMix)
	box := boxAround(random.below(about.Height), random.below(about.Width), about.Height, about.Width, lambda)
	box.paste(batch, about)
	return mixture{batch, targets(batch.Labels, len(about.Classes), box.lambda(about.Height, about.Width))}
}

// mixup adds to lambda of each image the rest of the one across.
func mixup(batch Batch, lambda float64) {
	keep, add := float32(lambda), float32(1-lambda)
	size := len(batch.Images) / max(1, batch.N)
	for k := range (batch.N + 1) / 2 {
		one, other := batch.Images[k*size:][:size], batch.Images[(batch.N-1-k)*size:][:size]
		for p, a := range one {
			b := other[p]
			// Conversions round: otherwise some machines fuse products and sums, and differ.
			one[p], other[p] = float32(a*keep)+float32(b*add), float32(b*keep)+float32(a*add)
		}
	}
}

// box is the rows top..bottom-1 and the columns left..right-1.
type box struct{ top, bottom, left, right int }

// boxAround returns the box of 1-lambda of the area around a place, cut off at the borders.
func boxAround(y, x, height, width int, lambda float64) box {
	side := math.Sqrt(1 - lambda)
	h, w := int(float64(height)*side), int(float64(width)*side)
	return box{max(0, y-h/2), min(height, y+(h+1)/2), max(0, x-w/2), min(width, x+(w+1)/2)}
}

// lambda returns the share of an image outside of the box.
func (b box) lambda(height, width int) float64 {
	return 1 - float64((b.bottom-b.top)*(b.right-b.left))/float64(height*width)
}

// paste exchanges the box between each image and the one across.
func (b box) paste(batch Batch, about About) {
	size := about.Channels * about.Height * about.Width
	for k := range batch.N / 2 {
		one, other := batch.Images[k*size:][:size], batch.Images[(batch.N-1-k)*size:][:size]
		for c := range about.Channels {
			for y := b.top; y < b.bottom; y++ {
				row := (c*about.Height + y) * about.Width
				for p := row + b.left; p < row+b.right; p++ {
					one[p], other[p] = other[p], one[p]
				}
			}
		}
	}
}

// targets returns labels mixed as the images, [labels, classes].
func targets(labels []int32, classes int, lambda float64) []float32 {
	all := make([]float32, len(labels)*classes)
	for k, label := range labels {
		all[k*classes+int(label)] += float32(lambda)
		all[k*classes+int(labels[len(labels)-1-k])] += float32(1 - lambda)
	}
	return all
}
