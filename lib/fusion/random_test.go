package fusion_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/fusion"
)

// TestRandomFusion: r tokens of A each go into a token of B, protected tokens stay first and untouched,
// sizes add up, and the choice is the same on every backend.
func TestRandomFusion(t *testing.T) {
	for _, c := range []struct{ tokens, protected, r, want int }{
		{16, 1, 5, 5}, {17, 2, 4, 4}, {18, 0, 100, 9}, {17, 2, 100, 7}, {19, 3, 100, 8}, {3, 1, 1, 1}, {2, 0, 1, 1},
	} {
		rng := rand.New(rand.NewPCG(uint64(c.tokens), 3))
		m := randomImage(rng, c.tokens)
		var before [][]int
		for name, backend := range backends(t) {
			if name != "go" && c.tokens != 17 {
				continue // XLA takes long to compile
			}
			t.Run(fmt.Sprintf("%s/tokens=%d,protected=%d,r=%d", name, c.tokens, c.protected, c.r), func(t *testing.T) {
				out := fuse(t, backend, fusion.RandomFusion{R: c.r, Seed: 1}, c.protected, m.tensors())
				groups := members(rows(out.Source))
				expect(t, m, 0, c.protected, groups, out)
				if got := c.tokens - len(groups); got != c.want {
					t.Errorf("%d tokens went, want %d", got, c.want)
				}
				for _, group := range groups {
					inB := 0
					for _, k := range group {
						inB += k % 2
					}
					if len(group) > 1 && inB != 1 {
						t.Errorf("group %v has %d tokens of B", group, inB)
					}
				}
				if before != nil && !slices.EqualFunc(before, groups, slices.Equal) {
					t.Errorf("%v, but %v on another backend", groups, before)
				}
				before = groups
			})
		}
	}
}

// TestRandomFusionSeeds: another seed, layer or image is another choice; the same is the same again.
func TestRandomFusionSeeds(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	one, two := randomImage(rng, 41), randomImage(rng, 41)
	choose := func(seed, layer int, m image) string {
		at := fusion.Layer{Index: layer, Depth: 12, Tokens: 41, Protected: 1, Dim: 5, Heads: 1}
		return fmt.Sprint(sourceAt(t, backends(t)["go"], fusion.RandomFusion{R: 10, Seed: seed}, at, m))
	}
	first := choose(1, 2, one)
	if choose(1, 2, one) != first {
		t.Error("the choice is not repeatable")
	}
	for what, other := range map[string]string{"seed": choose(2, 2, one), "layer": choose(1, 3, one), "image": choose(1, 2, two)} {
		if other == first {
			t.Errorf("another %s makes the same choice", what)
		}
	}
}

// TestRandomFusionIsUniform: over 1600 images every token of A goes as often as any other, and every
// pair with a token of B is as frequent. The numbers are fixed by the seed; the bounds are five standard
// deviations wide.
func TestRandomFusionIsUniform(t *testing.T) {
	for _, c := range []struct {
		protected int
		a, b      []int
	}{{1, []int{2, 4, 6, 8}, []int{1, 3, 5, 7}}, {2, []int{2, 4, 6, 8}, []int{3, 5, 7, 9}}} {
		const batch = 1600
		tokens := 8 + c.protected
		step, err := fusion.RandomFusion{R: 2, Seed: 3}.Step(fusion.Layer{Depth: 12, Tokens: tokens, Protected: c.protected, Dim: 4, Heads: 1})
		if err != nil {
			t.Fatal(err)
		}
		source, err := ExecOnce(backends(t)["go"], func(g *Graph) *Node {
			x := IotaFull(g, shapes.Make(dtypes.Float32, batch, tokens, 1))
			return step.Assign(fusion.Evidence{X: x, Key: fusion.ImageKey(x)}).Member()
		})
		if err != nil {
			t.Fatal(err)
		}
		pairs := map[[2]int]float64{}
		for _, group := range members(rows(source)) {
			for _, a := range group {
				for _, b := range group {
					pairs[[2]int{a, b}]++
				}
			}
		}
		within := func(what string, count, share float64) {
			if spread := math.Sqrt(batch * share * (1 - share)); math.Abs(count-batch*share) > 5*spread {
				t.Errorf("%d protected: %s: %v of %d times, want about %v", c.protected, what, count, batch, batch*share)
			}
		}
		for _, a := range c.a {
			gone := 0.0
			for _, b := range c.b {
				within(fmt.Sprintf("token %d into %d", a, b), pairs[[2]int{a, b}], 0.5/4)
				gone += pairs[[2]int{a, b}]
			}
			within(fmt.Sprintf("token %d", a), gone, 0.5)
		}
	}
}
