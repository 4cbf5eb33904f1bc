package fusion

import (
	"cmp"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"
)

// Pair is a token that gives itself to another one, both by their positions in the sequence.
type Pair struct {
	From, To int
	Score    float64
}

// Pairs returns who gives to whom in one image, first what set A (positions 0, 2, ...) gives to set B,
// then what B gives to A, each by falling score; ties: lower position first. It is empty where nothing
// fused, or where the method matches no pairs.
func (t *Tensors) Pairs(image int) []Pair {
	if t.Partner == nil {
		return nil
	}
	d := t.Scores.Shape().Dimensions
	scores := tensors.MustCopyFlatData[float32](t.Scores)[image*d[1]*d[2]:]
	tokens := d[1] + d[2]
	var pairs []Pair
	for from, to := range tensors.MustCopyFlatData[float32](t.Partner)[image*tokens : (image+1)*tokens] {
		if to < 0 {
			continue
		}
		p := Pair{From: from, To: int(to)}
		a, b := p.From/2, p.To/2
		if p.inB() {
			a, b = b, a
		}
		p.Score = float64(scores[a*d[2]+b])
		pairs = append(pairs, p)
	}
	slices.SortStableFunc(pairs, func(p, q Pair) int {
		if p.inB() != q.inB() {
			return p.From%2 - q.From%2
		}
		return cmp.Compare(q.Score, p.Score)
	})
	return pairs
}

// inB reports whether B gives.
func (p Pair) inB() bool { return p.From%2 == 1 }
