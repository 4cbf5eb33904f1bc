package attention_test

import (
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/attention"
	"tokenfuse/lib/fusion"
)

// TestOneStepAhead: (P A U) V = P (A (U V)): the fused map applied to values of fused tokens is what comes
// of giving each token its group's value, mixing by the map as it was, and pooling the rows.
func TestOneStepAhead(t *testing.T) {
	const heads, fused, d = 3, 5, 4
	for _, backend := range []string{"go", "xla"} {
		for name, mapBytes := range map[string]int{"formed": 1 << 30, "in blocks": 1} {
			t.Run(backend+"/"+name, func(t *testing.T) {
				in := append(inputs(d),
					tensors.FromFlatDataAndDimensions([]float32{
						0, 1, 2, 3, 4, 1, 1, 2, 4, 4, 4,
						0, 4, 4, 3, 3, 1, 1, 2, -1, 0, 2, // one token is dropped
					}, 2, 11))
				out := execute(t, backend, in, func(in []*Node) []*Node {
					s := attention.Of(in[0], in[1]).Proportional(in[5]).Within(mapBytes, 11*2*3*4*4)
					weight := s.Received()
					a := fusion.Fuse(in[7], weight, fused)
					values := a.Tokens(attention.Join(in[2])) // [b, f, h*d]
					want := attention.Apply(a.Map(s.Map()), attention.Heads(values, heads))
					got := a.Tokens(s.Apply(attention.Heads(a.Spread(values), heads)))
					return []*Node{got, want}
				})
				differ(t, "applied", out[0], out[1], 1e-6)
			})
		}
	}
}
