package fusion_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"tokenfuse/lib/fusion"
)

// pitome is PiToMe for one image (arXiv 2405.16148, section 3.2, with the official code's energy), with
// lists and sorts.
func (m image) pitome(protected, r int, margin float64, bipartite bool) [][]int {
	patches := upTo(protected, len(m.x))
	energy := func(t int) float64 {
		sum := 0.0
		for _, p := range patches {
			above := cosine(m.keys[t], m.keys[p]) - margin
			if above < 0 {
				above = math.Exp(above) - 1
			}
			sum += above
		}
		return sum
	}
	order := descending(patches, energy)
	into := map[int]int{}
	if bipartite {
		setA, setB := everySecond(order)
		setA = descending(setA, func(t int) float64 { _, s := m.nearest(t, setB); return s })
		for _, a := range setA[:r] {
			into[a], _ = m.nearest(a, setB)
		}
		return group(slices.Concat(upTo(0, protected), setA[r:], setB), into)
	}
	setA, setB := everySecond(order[:2*r])
	for _, a := range setA {
		into[a], _ = m.nearest(a, setB)
	}
	return group(slices.Concat(upTo(0, protected), order[2*r:], setB), into)
}

// TestPiToMeMatchesReference: protected tokens, amounts and variants at their borders.
func TestPiToMeMatchesReference(t *testing.T) {
	for name, backend := range backends(t) {
		for _, c := range []struct {
			tokens, protected, r int
			rate, margin         float64
			everywhere           bool // on XLA too, which takes long to compile
		}{
			{3, 1, 1, 0.5, 0.75, false}, {4, 2, 1, 0.5, 0.75, false}, {2, 0, 1, 0.5, 0.5, true}, {13, 1, 3, 0.75, 0.6, false},
			{14, 2, 3, 0.75, 0.3, true}, {15, 0, 7, 0.1, 0.75, false}, {24, 2, 11, 0, 0.1, false}, {31, 1, 1, 0.96, 0.9, false},
		} {
			for _, bipartite := range []bool{false, true} {
				if name != "go" && !c.everywhere {
					continue
				}
				t.Run(fmt.Sprintf("%s/tokens=%d,protected=%d,rate=%v,bipartite=%t", name, c.tokens, c.protected, c.rate, bipartite), func(t *testing.T) {
					rng := rand.New(rand.NewPCG(uint64(c.tokens), 7))
					all := images{randomImage(rng, c.tokens), randomImage(rng, c.tokens)}
					method := fusion.PiToMe{KeepRate: c.rate, Margin: c.margin, BipartiteLayers: []int{}}
					if bipartite {
						method.BipartiteLayers = []int{0}
					}
					out := fuse(t, backend, method, c.protected, all.tensors())
					for i, m := range all {
						expect(t, m, i, c.protected, m.pitome(c.protected, c.r, c.margin, bipartite), out)
					}
				})
			}
		}
	}
}

// TestPiToMeByHand: three patches alike, two alike, one alone; margin 0.5. With a = exp(-0.5) - 1 and
// b = exp(-1.5) - 1 the energies, times 6, are 1.5+2a+b = -0.06 for the three, 1+4a = -0.57 for the two
// and 0.5+3b+2a = -2.62 for the one. Of the first four, 0 and 2 are A, 1 and 3 are B.
func TestPiToMeByHand(t *testing.T) {
	m := image{
		keys: [][]float64{{2, 0}, {1, 0}, {3, 0}, {0, 1}, {0, 5}, {-1, 0}},
		x:    [][]float64{{1}, {2}, {6}, {4}, {5}, {7}},
		size: []float64{1, 1, 2, 1, 1, 1},
	}
	for name, backend := range backends(t) {
		for variant, c := range map[string]struct {
			bipartite []int
			groups    [][]int
			x         []float64
		}{
			"isolated patches stay":  {[]int{}, [][]int{{4}, {5}, {0, 1, 2}, {3}}, []float64{5, 7, 15.0 / 4, 4}},
			"bipartite, best pairs":  {[]int{0}, [][]int{{4}, {0, 1, 2}, {3}, {5}}, []float64{5, 15.0 / 4, 4, 7}},
			"nil is the code's half": {nil, [][]int{{4}, {0, 1, 2}, {3}, {5}}, []float64{5, 15.0 / 4, 4, 7}},
		} {
			t.Run(name+"/"+variant, func(t *testing.T) {
				out := fuse(t, backend, fusion.PiToMe{KeepRate: 0.6, Margin: 0.5, BipartiteLayers: c.bipartite}, 0, m.tensors())
				expect(t, m, 0, 0, c.groups, out)
				for f, row := range rows(out.X) {
					if math.Abs(row[0]-c.x[f]) > 1e-6 {
						t.Errorf("token %d is %v, want %v", f, row[0], c.x[f])
					}
				}
			})
		}
	}
}

// TestPiToMeLayers: the margin falls over the layers, and the first half, rounded up, is bipartite.
func TestPiToMeLayers(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	m := randomImage(rng, 21)
	differ := false
	for name, backend := range backends(t) {
		for layer := range 5 {
			if name != "go" && layer != 3 {
				continue // the margin is a constant of the graph: one layer tells
			}
			at := fusion.Layer{Index: layer, Depth: 5, Tokens: 21, Protected: 1, Dim: 5, Heads: 1}
			got := sourceAt(t, backend, fusion.PiToMe{KeepRate: 0.8}, at, m)
			want := m.pitome(1, 4, 0.75*(1-float64(layer)/5), layer < 3)
			if !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("%s: layer %d made %v, want %v", name, layer, got, want)
			}
			differ = differ || !slices.EqualFunc(want, m.pitome(1, 4, 0.75, layer < 3), slices.Equal)
		}
	}
	if !differ {
		t.Error("the image does not tell margins apart")
	}
}
