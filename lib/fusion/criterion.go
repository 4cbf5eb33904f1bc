package fusion

import (
	"fmt"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Criterion scores the pairs of a token of A and a token of B; MCTF multiplies its criteria
// (arXiv 2403.10030, eq. 4). Larger scores fuse sooner.
type Criterion struct {
	Name string
	// Tau is the temperature: a score s enters the product as s^(1/Tau). 0 switches the criterion off.
	Tau float64
	// Score returns [batch, A, B] for the evidence of A and of B, or nil where it has nothing to say
	// (sizes before the first fusion).
	Score func(a, b Evidence) *Node
	// Token, if set instead of Score, values single tokens, [batch, tokens], positive; the score of
	// a pair is the product of the two values, each divided by the largest of the image.
	Token func(e Evidence) *Node
}

// Similarity is ((cos(x_a, x_b) + 1) / 2)^(1/tau) on the residual stream (MCTF eq. 5).
func Similarity(tau float64) Criterion {
	return Criterion{Name: "similarity", Tau: tau, Score: func(a, b Evidence) *Node { return a.origins.similarityOf(a.X, b.X) }}
}

// Informativeness fuses tokens that receive little attention: i_t = 1 / (attention received by t,
// mean over heads and queries), as (i_a i_b)^(1/tau) after division by the largest (MCTF eq. 6).
// Attention counts as at least 1e-30: a softmax may give a token none at all.
func Informativeness(tau float64) Criterion {
	return Criterion{Name: "informativeness", Tau: tau, Token: func(e Evidence) *Node { return e.origins.inverseOf(e.Received) }}
}

// Size fuses tokens that stand for few patches: z_t = 1/size, as (z_a z_b)^(1/tau) after division by
// the largest (MCTF eq. 7). Before the first fusion it has nothing to say.
func Size(tau float64) Criterion {
	return Criterion{Name: "size", Tau: tau, Token: func(e Evidence) *Node {
		if e.Size == nil {
			return nil
		}
		return e.origins.inverseOf(Squeeze(e.Size, -1))
	}}
}

// someAttention is attention received that can be divided by.
func someAttention(received *Node) *Node { return MaxScalar(received, 1e-30) }

// scores multiplies the criteria over all pairs: [batch, A, B]. Pairs all score 1 when every
// criterion is off.
func scores(criteria []Criterion, e Evidence) *Node {
	e.origins = &origins{}
	a, b := e.split()
	e.origins.compared, e.origins.cosine = a.X, cosinesOfPairs(e.X, e.Inference) // not computed where nothing reads it
	shape := pairsOf(e.X)
	var pairs, tokens []*Node // scores and values, to their powers
	known := &factors{}
	for _, c := range criteria {
		if c.Tau == 0 {
			continue
		}
		if c.Token != nil {
			if value := c.Token(e); value != nil {
				known.token(e.origins.inverses[value], c.Tau)
				value = Div(value, BroadcastToShape(ReduceAndKeep(value, ReduceMax, -1), value.Shape()))
				tokens = append(tokens, power(value, c.Tau))
			}
			continue
		}
		score := c.Score(a, b)
		if score == nil {
			continue
		}
		if !score.Shape().Equal(shape) {
			panic(fmt.Errorf("fusion: criterion %q scored %s, want %s", c.Name, score.Shape(), shape))
		}
		known.pair(score == e.origins.similarity, c.Tau)
		pairs = append(pairs, power(score, c.Tau))
	}
	definition := func() *Node {
		product := Ones(e.X.Graph(), shape)
		for _, score := range pairs {
			product = Mul(product, score)
		}
		// The values of single tokens are multiplied before they meet: a pair's is the product of its two.
		values := Ones(e.X.Graph(), shapes.Make(e.X.DType(), e.X.Shape().Dimensions[:2]...))
		for _, value := range tokens {
			values = Mul(values, value)
		}
		ofA, ofB := split(values)
		return Mul(product, Mul(BroadcastToShape(InsertAxes(ofA, -1), shape), BroadcastToShape(InsertAxes(ofB, 1), shape)))
	}
	if !e.Inference {
		return StopGradient(definition())
	}
	return StopGradient(known.scores(definition, e.X))
}

// power is s^(1/tau).
func power(s *Node, tau float64) *Node {
	if tau == 1 {
		return s
	}
	return PowScalar(s, 1/tau)
}

// length is the length of each token, 1 for a token of zeros: [batch, tokens, dim] -> [batch, tokens, 1].
func length(x *Node) *Node {
	n := norm(x)
	return Where(IsZero(n), OnesLike(n), n)
}

// direction is x [batch, tokens, dim] divided by its length.
func direction(x, length *Node) *Node { return Div(x, BroadcastToShape(length, x.Shape())) }

// cosines returns the cosine of each pair of the directions a [batch, A, dim] and b [batch, B, dim]:
// [batch, A, B].
func cosines(a, b *Node) *Node { return EinsumAxes(a, b, [][2]int{{2, 2}}, [][2]int{{0, 0}}) }

// split restricts the evidence to set A and set B; attention maps stay whole.
func (e Evidence) split() (a, b Evidence) {
	a, b = Evidence{Attention: e.Attention, origins: e.origins}, Evidence{Attention: e.Attention, origins: e.origins}
	for _, f := range []struct{ all, a, b **Node }{
		{&e.X, &a.X, &b.X}, {&e.Received, &a.Received, &b.Received},
		{&e.FromClass, &a.FromClass, &b.FromClass}, {&e.Keys, &a.Keys, &b.Keys}, {&e.Size, &a.Size, &b.Size},
	} {
		if *f.all != nil {
			*f.a, *f.b = split(*f.all)
		}
	}
	return a, b
}
