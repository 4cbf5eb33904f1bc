package ablation

import (
	"fmt"
	"math/bits"
)

// halfForeground is the share from which on a patch counts as foreground where it has to be one or the
// other.
const halfForeground = 0.5

// Foreground is what a fusion method made of the foreground of an image: the article of cluttered
// Fashion-MNIST. No paper that we know of measures it. Shares are NaN where there is nothing to take a
// share of.
//
// It mixes two ways of counting. What is kept is weighted by pixels: a patch counts as much as it holds
// of the article, and no threshold enters. Groups are of whole patches: a patch is foreground where at
// least half of it is, otherwise background, so that a token of one patch is pure, and what is impure is
// so by fusion alone and not because the patch grid cuts through the article's outline. A patch that is
// dropped is in no group. The protected tokens are in none either.
type Foreground struct {
	// Kept is the share of the foreground, by pixels, in patches that are in any token.
	Kept float64
	// PatchesKept is the share of all patches that are in any token: what Kept would be by chance.
	PatchesKept float64
	// GroupPurity is purity as of clusterings (Manning et al., Introduction to Information Retrieval,
	// section 16.3): the share of kept patches that are of their token's majority, which weights tokens
	// by size. It is high wherever background is most of the image, even if one token holds everything.
	GroupPurity float64
	// Purity is the mean, over the kept foreground patches, of the share of foreground in their token:
	// how undiluted the article goes on. All in one token it is the article's share of the image.
	Purity float64
	// ForegroundSizes and BackgroundSizes are the numbers of patches in each token of which at least half,
	// or less, are foreground; tokens without a patch are left out.
	ForegroundSizes, BackgroundSizes []int
}

// ForegroundOf measures one image behind one block: its source map, 0/1 [tokens leaving * first tokens] row
// by row (vit.Prediction.Sources), where the first tokens are the protected ones and then the patches, and
// the share of foreground in each patch, [patches]. A map of another size, or with a patch in two
// tokens, is an error. Under methods that mix softly (fusion.Mix) a patch is where its share is largest.
func ForegroundOf(source []float32, shares []float64, protected int) (Foreground, error) {
	first := protected + len(shares)
	if protected < 0 || len(shares) == 0 || len(source) == 0 || len(source)%first != 0 {
		return Foreground{}, fmt.Errorf("ablation: a source map of %d values does not fit %d protected tokens and %d patches: pass one image's",
			len(source), protected, len(shares))
	}
	var f Foreground
	var kept, all, patches, majority, foreground, pure float64
	in := make([]bool, len(shares))
	for _, share := range shares {
		all += share
	}
	for token := range len(source) / first {
		size, own := 0, 0
		for p, share := range shares {
			if source[token*first+protected+p] == 0 {
				continue
			}
			if in[p] {
				return Foreground{}, fmt.Errorf("ablation: patch %d is in token %d and in another one: pass a 0/1 source map of one image", p, token)
			}
			in[p] = true
			kept += share
			size++
			if share >= halfForeground {
				own++
			}
		}
		switch {
		case size == 0:
			continue
		case 2*own >= size:
			f.ForegroundSizes = append(f.ForegroundSizes, size)
		default:
			f.BackgroundSizes = append(f.BackgroundSizes, size)
		}
		patches += float64(size)
		majority += float64(max(own, size-own))
		foreground += float64(own)
		pure += float64(own) * float64(own) / float64(size)
	}
	// Sums of shares in two orders may differ in the last bit: kept whole is 1.
	f.Kept, f.PatchesKept = min(kept/all, 1), patches/float64(len(shares))
	f.GroupPurity, f.Purity = majority/patches, pure/foreground
	return f, nil
}

// bySize counts sizes of 1, 2 to 3, 4 to 7, 8 to 15 and so on.
func bySize(sizes []int) []float64 {
	var counts []float64
	for _, size := range sizes {
		k := bits.Len(uint(size)) - 1
		for len(counts) <= k {
			counts = append(counts, 0)
		}
		counts[k]++
	}
	return counts
}
