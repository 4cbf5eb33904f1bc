package fusion_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
)

// reference is MCTF's matching (arXiv 2403.10030, section 3) for one image, written with lists and
// sorts straight from the paper's words. It returns the groups in output order.
type reference struct {
	x         [][]float64
	received  []float64
	size      []float64 // nil before the first fusion
	protected int
	r         int
	both      bool
}

func (f reference) score(a, b int) float64 {
	dot, na, nb := 0.0, 0.0, 0.0
	for i := range f.x[a] {
		dot += f.x[a][i] * f.x[b][i]
		na += f.x[a][i] * f.x[a][i]
		nb += f.x[b][i] * f.x[b][i]
	}
	score := (dot/math.Sqrt(na*nb) + 1) / 2
	information := func(t int) float64 { return slices.Min(f.received) / f.received[t] }
	score *= math.Pow(information(a)*information(b), 1.0/20)
	if f.size != nil {
		small := func(t int) float64 { return slices.Min(f.size) / f.size[t] }
		score *= math.Pow(small(a)*small(b), 1.0/40)
	}
	return score
}

func (f reference) groups() [][]int {
	if f.r == 0 {
		var same [][]int
		for t := range f.x {
			same = append(same, []int{t})
		}
		return same
	}
	var setA, setB []int
	for t := f.protected; t < len(f.x); t++ {
		if t%2 == 0 {
			setA = append(setA, t)
		} else {
			setB = append(setB, t)
		}
	}
	giveA, giveB := f.r/2, f.r-f.r/2
	if !f.both {
		giveA, giveB = f.r, 0
	}
	members := map[int][]int{}
	for t := range f.x {
		members[t] = []int{t}
	}
	// best returns the partner with the highest score, the first of equals.
	best := func(t int, partners []int) (partner int, score float64) {
		score = math.Inf(-1)
		for _, p := range partners {
			if s := f.score(t, p); s > score {
				partner, score = p, s
			}
		}
		return partner, score
	}
	order := func(from, to []int) []int {
		sorted := slices.Clone(from)
		slices.SortStableFunc(sorted, func(a, b int) int {
			_, sa := best(a, to)
			_, sb := best(b, to)
			switch {
			case sa > sb:
				return -1
			case sa < sb:
				return 1
			}
			return 0
		})
		return sorted
	}
	ranked := order(setA, setB)
	for _, a := range ranked[:giveA] {
		b, _ := best(a, setB)
		members[b] = append(members[b], a)
	}
	left := ranked[giveA:]
	if f.protected > 0 {
		left = slices.Sorted(slices.Values(left))
	}
	rankedB := setB
	if f.both {
		rankedB = order(setB, left)
		for _, b := range rankedB[:giveB] {
			a, _ := best(b, left)
			members[a] = append(members[a], members[b]...)
		}
		rankedB = rankedB[giveB:]
	}
	var groups [][]int
	for t := range f.protected {
		groups = append(groups, []int{t})
	}
	for _, t := range slices.Concat(left, rankedB) {
		groups = append(groups, slices.Sorted(slices.Values(members[t])))
	}
	return groups
}

// TestMatchesReference compares the graph with the slow version over sizes at the borders, on every
// backend: the same groups in the same order, sizes that sum to the tokens, protected tokens untouched
// and first.
func TestMatchesReference(t *testing.T) {
	type shape struct{ tokens, r, protected int }
	shapes := []shape{{10, 3, 1}, {11, 1, 1}, {12, 2, 2}, {13, 3, 2}, {13, 1, 1}, {17, 7, 3}, {20, 10, 0}, {21, 9, 0},
		{24, 1, 1}, {25, 12, 1}, {26, 12, 2}, {50, 8, 1}, {51, 25, 1}, {40, 400, 2}}
	for name, backend := range backends(t) {
		for _, s := range shapes {
			for _, both := range []bool{true, false} {
				sized := both == (s.tokens%2 == 0) // each combination at some shape
				t.Run(fmt.Sprintf("%s/tokens=%d,r=%d,protected=%d,both=%t,sized=%t", name, s.tokens, s.r, s.protected, both, sized), func(t *testing.T) {
					rng := rand.New(rand.NewPCG(uint64(s.tokens), uint64(s.r)))
					in, image := randomTensors(rng, s.tokens, sized)
					method := fusion.MCTF{R: float64(s.r), Unidirectional: !both, Layers: []int{0}}
					step, err := method.Step(fusion.Layer{Depth: 1, Tokens: s.tokens, Protected: s.protected, Dim: 8, Heads: 2})
					if err != nil {
						t.Fatal(err)
					}
					image.both, image.protected = both, s.protected
					if step != nil {
						image.r = s.tokens - step.Remaining
					}
					out, err := fusion.Single{Method: method, Protected: s.protected}.Run(backend, in)
					if err != nil {
						t.Fatal(err)
					}
					compare(t, image, in, out)
				})
			}
		}
	}
}

// randomTensors makes one image's input, and the same as a reference without method.
func randomTensors(rng *rand.Rand, tokens int, sized bool) (fusion.Tensors, reference) {
	const dim, heads = 8, 2
	var image reference
	x := make([]float32, tokens*dim)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	for t := range tokens {
		var row []float64
		for _, v := range x[t*dim : (t+1)*dim] {
			row = append(row, float64(v))
		}
		image.x = append(image.x, row)
	}
	attn := make([]float32, heads*tokens*tokens)
	image.received = make([]float64, tokens)
	for row := range heads * tokens {
		total := 0.0
		for k := range tokens {
			v := math.Exp(rng.NormFloat64())
			attn[row*tokens+k] = float32(v)
			total += v
		}
		for k := range tokens {
			attn[row*tokens+k] /= float32(total)
			image.received[k] += float64(attn[row*tokens+k]) / float64(heads*tokens)
		}
	}
	in := fusion.Tensors{
		X:    tensors.FromFlatDataAndDimensions(x, 1, tokens, dim),
		Attn: tensors.FromFlatDataAndDimensions(attn, 1, heads, tokens, tokens),
	}
	if sized {
		size := make([]float32, tokens)
		for t := range size {
			size[t] = float32(1 + rng.IntN(5))
			image.size = append(image.size, float64(size[t]))
		}
		in.Size = tensors.FromFlatDataAndDimensions(size, 1, tokens, 1)
	}
	return in, image
}

func compare(t *testing.T, image reference, in fusion.Tensors, out *fusion.Tensors) {
	t.Helper()
	tokens := len(image.x)
	want := image.groups()
	source := tensors.MustCopyFlatData[float32](out.Source)
	if got := len(source) / tokens; got != len(want) {
		t.Fatalf("%d tokens are left, want %d", got, len(want))
	}
	weight := func(t int) float64 {
		if image.size == nil {
			return image.received[t]
		}
		return image.received[t] * image.size[t]
	}
	x, size := tensors.MustCopyFlatData[float32](out.X), tensors.MustCopyFlatData[float32](out.Size)
	for f, group := range want {
		var got []int
		for k, v := range source[f*tokens : (f+1)*tokens] {
			if v == 1 {
				got = append(got, k)
			} else if v != 0 {
				t.Fatalf("the source map holds %v", v)
			}
		}
		if !slices.Equal(got, group) {
			t.Fatalf("fused token %d is made of %v, want %v", f, got, group)
		}
		total, patches := 0.0, 0.0
		pooled := make([]float64, len(image.x[0]))
		for _, member := range group {
			total += weight(member)
			patches++
			if image.size != nil {
				patches += image.size[member] - 1
			}
			for i, v := range image.x[member] {
				pooled[i] += v * weight(member)
			}
		}
		if float64(size[f]) != patches {
			t.Errorf("fused token %d has size %v, want %v", f, size[f], patches)
		}
		for i := range pooled {
			if d := math.Abs(pooled[i]/total - float64(x[f*len(pooled)+i])); d > 1e-5 {
				t.Errorf("fused token %d differs by %g", f, d)
			}
		}
	}
	before := tensors.MustCopyFlatData[float32](in.X)
	for i := range image.protected * len(image.x[0]) {
		if x[i] != before[i] {
			t.Fatalf("a protected token was touched")
		}
	}
}

// TestBatchIndependence: what becomes of an image does not depend on the batch it is in.
func TestBatchIndependence(t *testing.T) {
	for name, backend := range backends(t) {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			one, _ := randomTensors(rng, 30, true)
			two, _ := randomTensors(rng, 30, true)
			join := func(a, b *tensors.Tensor) *tensors.Tensor {
				dims := slices.Clone(a.Shape().Dimensions)
				dims[0] = 2
				return tensors.FromFlatDataAndDimensions(append(tensors.MustCopyFlatData[float32](a), tensors.MustCopyFlatData[float32](b)...), dims...)
			}
			step := fusion.Single{Method: fusion.MCTF{R: 8, Layers: []int{0}}, Protected: 1}
			alone, err := step.Run(backend, two)
			if err != nil {
				t.Fatal(err)
			}
			together, err := step.Run(backend, fusion.Tensors{X: join(one.X, two.X), Attn: join(one.Attn, two.Attn), Size: join(one.Size, two.Size)})
			if err != nil {
				t.Fatal(err)
			}
			want, got := tensors.MustCopyFlatData[float32](alone.Source), tensors.MustCopyFlatData[float32](together.Source)
			if !slices.Equal(want, got[len(want):]) {
				t.Errorf("the second image of a batch fused other tokens than alone")
			}
		})
	}
}
