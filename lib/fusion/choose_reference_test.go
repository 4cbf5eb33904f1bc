package fusion_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"tokenfuse/lib/fusion"
)

// chosen is what each method keeps of an image, by sorting and counting, straight from the definitions.
func chosen(method fusion.Method, at fusion.Layer, points int, in evidence, b int) []int {
	tokens := make([]int, at.Tokens-at.Protected)
	for i := range tokens {
		tokens[i] = at.Protected + i
	}
	descending := func(score func(t int) float64) func(a, b int) int {
		return func(a, b int) int { return cmp.Compare(score(b), score(a)) }
	}
	score := func(t int) (sum float64) {
		for h := range in.attn[b] {
			sum += float64(in.attn[b][h][t])
		}
		return sum
	}
	switch m := method.(type) {
	case fusion.RandomDrop:
		_, drawn := slowDraw(in.x[b], m.Seed, at.Index, at.Tokens)
		score = func(t int) float64 { return float64(drawn[t]) }
	case fusion.ATS:
		return sampled(m, tokens, points, in, b)
	}
	slices.SortStableFunc(tokens, descending(score))
	return tokens[:points]
}

func sampled(m fusion.ATS, tokens []int, points int, in evidence, b int) []int {
	value := map[int]float64{}
	total := 0.0
	for _, t := range tokens {
		attn, square := 0.0, 0.0
		for h := range in.attn[b] {
			attn += float64(in.attn[b][h][t])
			square += float64(in.norms[b][h][t]) * float64(in.norms[b][h][t])
			value[t] += float64(in.attn[b][h][t]) * float64(in.norms[b][h][t])
		}
		if m.Order != fusion.ByPosition {
			value[t] = attn * math.Sqrt(square)
		}
		total += value[t]
	}
	first, step, offset := 1/float64(2*points+2), 1/float64(points+1), 0.0
	if m.Order != fusion.ByPosition {
		slices.SortStableFunc(tokens, func(a, b int) int { return cmp.Compare(value[a], value[b]) })
		offset = value[tokens[0]]
		first = value[tokens[1]] / (total - offset)
		step = (1 - first) / float64(points-1)
	}
	var all []int
	for k := range points {
		best, distance, sum := 0, math.Inf(1), -offset
		for _, t := range tokens {
			sum += value[t]
			if d := math.Abs(first + float64(k)*step - sum/(total-offset)); d < distance {
				best, distance = t, d
			}
		}
		if !slices.Contains(all, best) {
			all = append(all, best)
		}
	}
	return all
}

// TestChooseProperties: for each method, with one and two protected tokens, on every backend: what the
// slow version keeps, in its order, protected tokens first; an image alone as in a batch.
func TestChooseProperties(t *testing.T) {
	const tokens, heads, batch = 38, 2, 3
	for backendName, backend := range backends(t) {
		for i, method := range []fusion.Method{
			fusion.ClassTopK{KeepRate: 0.4, Layers: []int{2}}, fusion.RandomDrop{KeepRate: 0.4, Layers: []int{2}, Seed: 5},
			fusion.ATS{KeepRate: 1, Layers: []int{2}}, fusion.ATS{KeepRate: 0.4, Layers: []int{2}},
			fusion.ATS{KeepRate: 0.7, Layers: []int{2}, Order: fusion.ByPosition},
		} {
			for protected := 1; protected <= 2; protected++ {
				t.Run(fmt.Sprintf("%s/%d %s/protected=%d", backendName, i, method.Name(), protected), func(t *testing.T) {
					rng := rand.New(rand.NewPCG(uint64(i), uint64(protected)))
					draws := func(f func() float64) [][][]float32 {
						all := make([][][]float32, batch)
						for b := range all {
							for range heads {
								row := make([]float32, tokens)
								for k := range row {
									row[k] = float32(f())
								}
								all[b] = append(all[b], row)
							}
						}
						return all
					}
					in := evidence{attn: draws(func() float64 { return math.Exp(rng.NormFloat64()) / 50 }), norms: draws(rng.Float64)}
					for _, images := range draws(rng.NormFloat64) {
						in.x = append(in.x, images[0])
					}
					at := fusion.Layer{Index: 2, Depth: 3, Tokens: tokens, Protected: protected}
					step, err := method.Step(at)
					if err != nil {
						t.Fatal(err)
					}
					together := kept(t, backend, step, tokens, in)
					for b := range together {
						points := step.Remaining - protected
						want := append([]int{0, 1}[:protected:protected], chosen(method, at, points, in, b)...)
						for len(want) < step.Remaining {
							want = append(want, -1)
						}
						if !slices.Equal(together[b], want) {
							t.Errorf("image %d keeps %v, want %v", b, together[b], want)
						}
					}
					if protected > 1 {
						return
					}
					last := evidence{x: in.x[2:], attn: in.attn[2:], norms: in.norms[2:]}
					if alone := kept(t, backend, step, tokens, last)[0]; !slices.Equal(alone, together[2]) {
						t.Errorf("the last image keeps %v alone, %v in a batch", alone, together[2])
					}
				})
			}
		}
	}
}
