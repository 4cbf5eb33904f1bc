package fusion_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/fusion"
)

// TestToFuByHand: keys say that token 0 goes into token 1; tokens 2 (of A) and 3 (of B) stay. Order: A
// left, B.
func TestToFuByHand(t *testing.T) {
	keys := [][]float64{{1, 0}, {1, 0}, {0, 1}, {0, -1}}
	for name, backend := range backends(t) {
		for what, c := range map[string]struct {
			prune []int
			x     [][]float64
			want  [][]float64
		}{
			"early: the token of B stays as it is": {[]int{0}, [][]float64{{3, 0}, {0, 4}, {1, 2}, {5, 5}}, [][]float64{{1, 2}, {0, 4}, {5, 5}}},
			"nil prunes the first layer":           {nil, [][]float64{{3, 0}, {0, 4}, {1, 2}, {5, 5}}, [][]float64{{1, 2}, {0, 4}, {5, 5}}},
			// The mean (1.5, 2) is 2.5 long, the longest of the two 4.
			"late: the mean, as long as the longest": {[]int{}, [][]float64{{3, 0}, {0, 4}, {1, 2}, {5, 5}}, [][]float64{{1, 2}, {2.4, 3.2}, {5, 5}}},
			"opposites have no direction":            {[]int{}, [][]float64{{1, 2}, {-1, -2}, {1, 2}, {0, 0}}, [][]float64{{1, 2}, {0, 0}, {0, 0}}},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				m := image{keys: keys, x: c.x, size: []float64{1, 2, 3, 4}}
				out := fuse(t, backend, fusion.ToFu{R: 1, PruneLayers: c.prune}, 0, m.tensors())
				for f, row := range rows(out.X) {
					for i, v := range row {
						if !(math.Abs(v-c.want[f][i]) < 1e-6) {
							t.Errorf("token %d is %v, want %v", f, row, c.want[f])
						}
					}
				}
				for f, size := range []float64{3, 3, 4} {
					if got := rows(out.Size)[f][0]; got != size {
						t.Errorf("token %d has size %v, want %v", f, got, size)
					}
				}
			})
		}
	}
}

// TestToFuProtects: with any number of protected tokens the matching is ToMe's, B of a pruned group and
// the protected tokens keep their values, and a merged group is as long as its longest.
func TestToFuProtects(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 1))
	for name, backend := range backends(t) {
		for _, tokens := range []int{12, 15} {
			m := randomImage(rng, tokens)
			for protected := range 4 {
				if name != "go" && (tokens == 12 || protected != 2) {
					continue // XLA takes long to compile
				}
				for _, prune := range []bool{true, false} {
					t.Run(fmt.Sprintf("%s/tokens=%d,protected=%d,prune=%t", name, tokens, protected, prune), func(t *testing.T) {
						method := fusion.ToFu{R: 5, PruneLayers: []int{}}
						if prune {
							method.PruneLayers = []int{0}
						}
						out, tome := fuse(t, backend, method, protected, m.tensors()), fuse(t, backend, fusion.ToMe{R: 5}, protected, m.tensors())
						if distance(t, out.Source, tome.Source) > 0 || distance(t, out.Size, tome.Size) > 0 {
							t.Fatal("fuses other tokens than ToMe")
						}
						for f, row := range rows(out.Source) {
							checkToFu(t, m, f, row, rows(out.X)[f], prune)
						}
						for p := range protected {
							if !slices.Equal(rows(out.X)[p], m.x[p]) {
								t.Errorf("protected token %d was touched or moved", p)
							}
						}
					})
				}
			}
		}
	}
}

// checkToFu checks fused token f, made of the tokens that source marks.
func checkToFu(t *testing.T, m image, f int, source, got []float64, prune bool) {
	t.Helper()
	var members []int
	longest := 0.0
	for k, v := range source {
		if v == 1 {
			members = append(members, k)
			longest = max(longest, length(m.x[k]))
		}
	}
	switch {
	case len(members) == 1:
		if !slices.Equal(got, m.x[members[0]]) {
			t.Errorf("token %d, alone in its group, was changed", f)
		}
	case prune:
		b := slices.IndexFunc(members, func(k int) bool { return k%2 == 1 })
		if !slices.Equal(got, m.x[members[b]]) {
			t.Errorf("token %d of %v is not its token of B", f, members)
		}
	case math.Abs(length(got)-longest) > 1e-5:
		t.Errorf("token %d of %v is %v long, want %v", f, members, length(got), longest)
	}
}

// TestMLERPGradient: gradients are numbers even for tokens of length 0, and those of tokens alone are 1.
func TestMLERPGradient(t *testing.T) {
	for name, backend := range backends(t) {
		grad, err := ExecOnce(backend, func(x *Node) *Node {
			g := x.Graph()
			slot := Const(g, [][]float32{{0, 1, 1, 2, 2}})
			a := fusion.PoolMLERP().Pool(fusion.Fuse(slot, OnesLike(slot), 3), x)
			return Gradient(ReduceAllSum(a), x)[0]
		}, [][][]float32{{{5, 6}, {3, 0}, {0, 4}, {0, 0}, {0, 0}}})
		if err != nil {
			t.Fatal(err)
		}
		all := rows(grad)
		if !slices.Equal(all[0], []float64{1, 1}) {
			t.Errorf("%s: the gradient of a token alone is %v", name, all[0])
		}
		// f = |b| (a+b)/|a+b| with a = (3,0), b = (0,4): df/da_x of the sum of components is
		// 4 (1/5 - 7*3/125) = 0.128, df/da_y = 4 (1/5 - 7*4/125) = -0.096.
		for i, want := range []float64{0.128, -0.096} {
			if math.Abs(all[1][i]-want) > 1e-5 {
				t.Errorf("%s: the gradient of a fused token is %v", name, all[1])
			}
		}
		for _, row := range all {
			for _, v := range row {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("%s: a gradient is %v", name, v)
				}
			}
		}
	}
}
