//go:build cgo && (linux || darwin)

package native_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
)

// pairing is how pairs are matched, as package fusion says it.
type pairing struct {
	giveA, giveB, pinnedA, pinnedB int
	ordered, rankB                 bool // A left in the order of positions; B left in that of scores
}

func (p pairing) settings() []int32 {
	flag := map[bool]int32{true: 1}
	return []int32{int32(p.giveA), int32(p.giveB), int32(p.pinnedA), int32(p.pinnedB), flag[p.ordered], flag[p.rankB]}
}

// best is the first of the partners with the highest score; no score is better than one that is not allowed.
func best(partners []int, score func(int) float64) (partner int, highest float64) {
	highest = math.Inf(-1)
	for _, p := range partners {
		s := score(p)
		if math.IsNaN(s) || math.IsInf(s, -1) {
			s = -math.MaxFloat32
		}
		if s > highest {
			partner, highest = p, s
		}
	}
	return partner, highest
}

// givers are the `give` with the highest of their best scores, those before first, and the others in that order.
func givers(own, partners []int, give int, score func(i, j int) float64) (gives, left []int, partner map[int]int) {
	highest := map[int]float64{}
	partner = map[int]int{}
	for _, i := range own {
		partner[i], highest[i] = best(partners, func(j int) float64 { return score(i, j) })
	}
	order := slices.Clone(own)
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(highest[j], highest[i]) })
	return order[:give], order[give:], partner
}

func upTo(from, to int) (all []int) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// match says where each token goes, by lists: those that are protected, A left, B left.
func (p pairing) match(scores array) result {
	a, b := scores.dims[1], scores.dims[2]
	slots := zeros(scores.dims[0], a+b)
	for image := range scores.dims[0] {
		score := func(i, j int) float64 { return scores.at(image, i, j) }
		giveA, leftA, partnerA := givers(upTo(p.pinnedA, a), upTo(p.pinnedB, b), p.giveA, score)
		byPosition := slices.Sorted(slices.Values(leftA))
		giveB, leftB, partnerB := givers(upTo(p.pinnedB, b), byPosition, p.giveB, func(j, i int) float64 { return score(i, j) })
		if p.ordered {
			leftA = byPosition
		}
		if !p.rankB {
			slices.Sort(leftB)
		}
		var tokens []int
		for t := range a + b {
			if t/2 < []int{p.pinnedA, p.pinnedB}[t%2] {
				tokens = append(tokens, t)
			}
		}
		for _, i := range leftA {
			tokens = append(tokens, 2*i)
		}
		for _, j := range leftB {
			tokens = append(tokens, 2*j+1)
		}
		slot := slots.values[image*(a+b) : (image+1)*(a+b)]
		for at, t := range tokens {
			slot[t] = float64(at)
		}
		for _, j := range giveB { // these first: a giver of A may have chosen one
			slot[2*j+1] = slot[2*partnerB[j]]
		}
		for _, i := range giveA {
			slot[2*i] = slot[2*partnerA[i]+1]
		}
	}
	return slots
}

// scorings are scores without and with ties, with such as are none, and with nothing else.
func scorings() map[string]func() float64 {
	ties, signs, some := seeded(), seeded(), seeded()
	special := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -math.MaxFloat32, 0, 1}
	return map[string]func() float64{
		"all differ":     seeded().NormFloat64,
		"ties":           func() float64 { return float64(ties.IntN(3)) },
		"zeros":          func() float64 { return math.Copysign(0, signs.NormFloat64()) },
		"some are none":  func() float64 { return special[some.IntN(len(special))] },
		"all none":       math.NaN,
		"minus infinity": func() float64 { return math.Inf(-1) },
	}
}

func TestMatch(t *testing.T) {
	backend := serving(t)
	for i, tokens := range append(slices.Clone(counts), 16, 64) {
		a, b, batch := (tokens+1)/2, tokens/2, 1+i%3
		if b == 0 {
			continue
		}
		match := compile(t, backend, "match", []int{batch, tokens})
		for name, number := range scorings() {
			scores := made(number, batch, a, b)
			for _, p := range []pairing{{}, {ordered: true}, {pinnedA: 1, ordered: true}, {pinnedA: 1, pinnedB: 1, ordered: true}, {pinnedA: 2, pinnedB: 1, ordered: true},
				{pinnedA: 2, ordered: true}, {pinnedA: 3, ordered: true}} {
				freeA, freeB := a-p.pinnedA, b-p.pinnedB
				if freeA < 0 || freeB < 0 {
					continue
				}
				for _, p.giveA = range slices.Compact([]int{0, freeA / 3, freeA}) {
					if freeB == 0 && p.giveA > 0 {
						continue
					}
					for _, give := range slices.Compact([]int{0, freeB / 2, freeB}) {
						if p.giveB = give; p.giveA == freeA {
							p.giveB = 0 // to nobody
						}
						for _, p.rankB = range []bool{false, true} {
							if p.giveB > 0 && !p.rankB {
								continue // nobody asks for it
							}
							got, err := match.run(scores, p.settings())
							if err != nil {
								t.Fatal(err)
							}
							if differs := p.match(scores).differs(got[0]); differs != "" {
								t.Fatalf("%d tokens, %s, %+v: %s", tokens, name, p, differs)
							}
						}
					}
				}
			}
		}
	}
}

// slotsOf are those of a method by scores of its own, of a batch of 2, on a backend.
func slotsOf(t *testing.T, backend compute.Backend, method fusion.MCTF, at fusion.Layer, scores array) []float32 {
	t.Helper()
	exec, err := NewExec(backend, func(x, received, scores *Node) *Node {
		method.Criteria = []fusion.Criterion{{Name: "own", Tau: 1, Score: func(_, _ fusion.Evidence) *Node { return scores }}}
		step, err := method.Step(at)
		if err != nil {
			panic(err)
		}
		return step.Assign(fusion.Evidence{X: x, Received: received, Inference: true}).Slot()
	})
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Finalize()
	ones := func(dims ...int) *tensors.Tensor { return tensors.FromScalarAndDimensions(float32(1), dims...) }
	out, err := exec.Call(ones(2, at.Tokens, at.Dim), ones(2, at.Tokens), tensors.FromFlatDataAndDimensions(scores.data, scores.dims...))
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](out[0])
}

// TestMatchIsItsDefinition: the operations of a graph in Go send the same tokens to the same places.
func TestMatchIsItsDefinition(t *testing.T) {
	backend := serving(t)
	pure, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	for _, tokens := range []int{7, 16} {
		for protected := range 4 {
			for _, method := range []fusion.MCTF{{R: 3}, {R: 3, Unidirectional: true}, {R: 1, ProtectedRule: fusion.ProtectRows}} {
				at := fusion.Layer{Index: 1, Depth: 2, Tokens: tokens, Protected: protected, Dim: 2, Heads: 1}
				step, err := method.Step(at)
				if err != nil {
					t.Fatal(err)
				}
				if step == nil {
					continue // no room
				}
				for name, number := range scorings() {
					scores := made(number, 2, (tokens+1)/2, tokens/2)
					want, got := slotsOf(t, pure, method, at, scores), slotsOf(t, backend, method, at, scores)
					if !slices.Equal(got, want) {
						t.Errorf("%d tokens, %d protected, %+v, %s: %v, want %v", tokens, protected, method, name, got, want)
					}
				}
			}
		}
	}
}

// TestShare: the weight of each token over the sum of its group's. Groups without weight are left alone, as is
// what is dropped, and a token alone has all of it.
func TestShare(t *testing.T) {
	backend, rng := serving(t), seeded()
	for i, tokens := range counts {
		batch := 1 + i%3
		slot := made(func() float64 { return float64(rng.IntN(tokens+1) - 1) }, batch, tokens)
		weight := made(func() float64 { return math.Floor(4 * rng.Float64()) }, batch, tokens)
		received := made(func() float64 { return max(0, rng.NormFloat64()) }, batch, tokens)
		for _, factors := range [][]array{{weight}, {weight, received}} {
			want, sums := zeros(batch, tokens), zeros(batch, tokens)
			for pass := range 2 {
				for b := range batch {
					for t := range tokens {
						into, w := int(slot.at(b, t)), weight.at(b, t)
						if len(factors) > 1 {
							w *= max(received.at(b, t), 1e-30)
						}
						switch {
						case pass == 0 && into >= 0:
							sums.add(w, b, into)
						case pass == 1 && into >= 0 && sums.values[b*tokens+into] > 0:
							want.add(w/sums.values[b*tokens+into], b, t)
						case pass == 1:
							want.add(w, b, t)
						}
					}
				}
			}
			operands := []any{slot}
			for _, f := range factors {
				operands = append(operands, f)
			}
			check(t, backend, "share", []result{want.relative(1e-6)}, operands...)
		}
		if next := 0; tokens%5 != 0 {
			places := made(func() float64 { next++; return float64(5 * next % tokens) }, batch, tokens)
			some := made(func() float64 { return 0.1 + rng.Float64() }, batch, tokens)
			alone := zeros(batch, tokens)
			for i := range alone.values {
				alone.values[i] = 1
			}
			check(t, backend, "share", []result{alone}, places, some, received)
		}
	}
}

// TestPool: sums by shares. What goes nowhere is left out, and a token alone passes as it is.
func TestPool(t *testing.T) {
	backend, rng := serving(t), seeded()
	for i, tokens := range counts {
		batch, dim := 1+i%3, lengths[(i+2)%len(lengths)]
		x, share := made(rng.NormFloat64, batch, tokens, dim), made(rng.Float64, batch, tokens)
		for _, fused := range []int{1, (tokens + 1) / 2, tokens} {
			slot := made(func() float64 { return float64(rng.IntN(fused+2) - 1) }, batch, tokens)
			pooled, fusedTokens, spread := zeros(batch, fused, dim), made(rng.NormFloat64, batch, fused, dim), zeros(x.dims...)
			for b := range batch {
				for t := range tokens {
					if into := int(slot.at(b, t)); into >= 0 && into < fused {
						for d := range dim {
							pooled.add(share.at(b, t)*x.at(b, t, d), b, into, d)
							spread.add(fusedTokens.at(b, into, d), b, t, d)
						}
					}
				}
			}
			check(t, backend, "pool", []result{pooled.relative(1e-6)}, x, slot, share)
			check(t, backend, "spread", []result{spread}, fusedTokens, slot)
		}
		reversed, next := zeros(x.dims...), 0
		for b := range batch {
			for t := range tokens {
				for d := range dim {
					reversed.add(x.at(b, t, d), b, tokens-1-t, d)
				}
			}
		}
		places := made(func() float64 { next++; return float64(tokens - 1 - (next-1)%tokens) }, batch, tokens)
		check(t, backend, "pool", []result{reversed}, x, places, made(func() float64 { return 1 }, batch, tokens))
	}
}
