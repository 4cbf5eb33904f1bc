package fusion_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
)

// draw returns the keys of images and what Uniform draws for them.
func draw(t *testing.T, backend compute.Backend, images *tensors.Tensor, seed, at, tokens int) (keys []uint32, drawn []float32) {
	t.Helper()
	out, err := ExecOnceN(backend, func(images *Node) []*Node {
		key := fusion.ImageKey(images)
		return []*Node{key, fusion.Uniform(key, seed, at, tokens)}
	}, images)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[uint32](out[0]), tensors.MustCopyFlatData[float32](out[1])
}

// murmur is MurmurHash3's fmix32.
func murmur(x uint32) uint32 {
	x ^= x >> 16
	x *= 0x85ebca6b
	x ^= x >> 13
	x *= 0xc2b2ae35
	return x ^ x>>16
}

// slowDraw is draw in plain Go for one image.
func slowDraw(image []float32, seed, at, tokens int) (key uint32, drawn []float32) {
	for i, v := range image {
		key += murmur(math.Float32bits(v) ^ murmur(uint32(i)))
	}
	key = murmur(key)
	state := murmur(key ^ murmur(murmur(murmur(uint32(seed))^uint32(uint64(seed)>>32))+uint32(at)*0x9e3779b9))
	for range tokens {
		state += 0x9e3779b9
		drawn = append(drawn, float32(murmur(state)>>8)/(1<<24))
	}
	return key, drawn
}

// pictures makes images of which the second differs from the first in one bit, the third from the
// first in the order of two pixels.
func pictures(size int) [][]float32 {
	rng := rand.New(rand.NewPCG(3, 4))
	first := make([]float32, size)
	for i := range first {
		first[i] = float32(rng.NormFloat64())
	}
	second, third := slices.Clone(first), slices.Clone(first)
	second[size-1] = math.Nextafter32(second[size-1], 9)
	third[0], third[1] = third[1], third[0]
	return [][]float32{first, second, third}
}

// TestUniformBits: every backend draws the bits that plain Go draws, for an image alone and in a batch.
func TestUniformBits(t *testing.T) {
	const channels, side = 3, 7
	images := pictures(channels * side * side)
	for name, backend := range backends(t) {
		for _, c := range []struct{ seed, at, tokens int }{{0, 0, 1}, {1, 3, 50}, {-7, 11, 13}, {1 << 40, 2, 13}} {
			t.Run(fmt.Sprintf("%s/seed=%d,at=%d,tokens=%d", name, c.seed, c.at, c.tokens), func(t *testing.T) {
				all := tensors.FromFlatDataAndDimensions(slices.Concat(images...), len(images), channels, side, side)
				keys, drawn := draw(t, backend, all, c.seed, c.at, c.tokens)
				for i, image := range images {
					wantKey, want := slowDraw(image, c.seed, c.at, c.tokens)
					if got := drawn[i*c.tokens : (i+1)*c.tokens]; keys[i] != wantKey || !slices.Equal(got, want) {
						t.Errorf("image %d of a batch: key %x, %v, want %x, %v", i, keys[i], got, wantKey, want)
					}
					one, alone := draw(t, backend, tensors.FromFlatDataAndDimensions(image, 1, channels, side, side), c.seed, c.at, c.tokens)
					if one[0] != wantKey || !slices.Equal(alone, want) {
						t.Errorf("image %d alone: key %x, %v, want %x, %v", i, one[0], alone, wantKey, want)
					}
				}
			})
		}
	}
}

// TestUniformDiffers: another seed, layer or image, however near, draws other numbers; so does another
// order of the pixels.
func TestUniformDiffers(t *testing.T) {
	images := pictures(60)
	seen := map[float32]string{}
	for i, image := range images {
		for _, seed := range []int{0, 1, 2, -1, 1 << 32} {
			for at := range 3 {
				_, drawn := slowDraw(image, seed, at, 4)
				what := fmt.Sprintf("image %d, seed %d, layer %d", i, seed, at)
				for _, v := range drawn { // 180 draws of 2^24 meet with a chance of 0.001, and the seeds are fixed
					if before, ok := seen[v]; ok {
						t.Errorf("%s draws %v as %s does", what, v, before)
					}
					seen[v] = what
				}
			}
		}
	}
}

// TestUniformSpread: the draws fill [0, 1) evenly, over the tokens of an image, over images, over
// layers and over seeds.
func TestUniformSpread(t *testing.T) {
	const bins, draws = 64, 64 * 100
	one := func(image float32, seed, at int) float32 {
		_, drawn := slowDraw([]float32{image}, seed, at, 1)
		return drawn[0]
	}
	_, tokens := slowDraw([]float32{0}, 1, 3, draws)
	for name, value := range map[string]func(i int) float32{
		"tokens": func(i int) float32 { return tokens[i] },
		"images": func(i int) float32 { return one(float32(i), 1, 3) },
		"layers": func(i int) float32 { return one(0, 1, i) },
		"seeds":  func(i int) float32 { return one(0, i, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			var count [bins]int
			for i := range draws {
				v := value(i)
				if v < 0 || v >= 1 {
					t.Fatalf("draw %d is %v, want [0, 1)", i, v)
				}
				count[int(v*bins)]++
			}
			chi := 0.0
			for _, c := range count {
				d := float64(c) - draws/bins
				chi += d * d / (draws / bins)
			}
			// 63 degrees of freedom: mean 63, standard deviation 11.2; beyond 5 of them either way
			// is no chance.
			if chi > 63+5*11.2 || chi < 63-5*11.2 {
				t.Errorf("chi-square is %.1f, want about 63", chi)
			}
		})
	}
}
