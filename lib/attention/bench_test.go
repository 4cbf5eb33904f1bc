package attention_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/attention"
)

// BenchmarkSelf is Received and Apply in one layer of DeiT-S, and their gradients: with the map formed
// once, and in blocks, which each of the two computes for itself. With -short, of few tokens.
func BenchmarkSelf(b *testing.B) {
	const heads, d = 6, 64
	all, err := backends()
	if err != nil {
		b.Fatal(err)
	}
	forward := func(s *attention.Self, in []*Node) []*Node { return []*Node{s.Received(), s.Apply(in[2])} }
	gradient := func(s *attention.Self, in []*Node) []*Node {
		return Gradient(ReduceAllSum(Square(s.Apply(in[2]))), in...)
	}
	sizes := []struct{ batch, tokens int }{{16, 197}, {64, 197}, {1, 1025}, {1, 4097}}
	if testing.Short() {
		sizes = sizes[:1]
		sizes[0].batch, sizes[0].tokens = 2, 50
	}
	for name, backend := range all {
		for _, c := range sizes {
			for what, f := range map[string]func(*attention.Self, []*Node) []*Node{"forward": forward, "gradient": gradient} {
				for way, mapBytes := range map[string]int{"formed": 1 << 31, "blocks": c.batch * heads * c.tokens} {
					b.Run(fmt.Sprintf("%s/%dx%d/%s/%s", name, c.batch, c.tokens, what, way), func(b *testing.B) {
						exec, err := NewExec(backend, func(in []*Node) []*Node {
							// At least 4 blocks, as a map beyond the limit has.
							block := min(attention.BlockBytes, c.batch*heads*c.tokens*c.tokens)
							return f(attention.Of(in[0], in[1]).Within(mapBytes, block), in)
						})
						if err != nil {
							b.Fatal(err)
						}
						defer exec.Finalize()
						rng := rand.New(rand.NewPCG(1, 2))
						var in []any
						for range 3 {
							in = append(in, random(rng, c.batch, heads, c.tokens, d))
						}
						call := func() {
							out, err := exec.Call(in...)
							if err != nil {
								b.Fatal(err)
							}
							for _, y := range out {
								tensors.MustCopyFlatData[float32](y) // waits for it
							}
						}
						call() // compiles
						for b.Loop() {
							call()
						}
					})
				}
			}
		}
	}
}

// BenchmarkReceived is the attention received in one layer of DeiT-S, 16 images: by a product with ones, as it
// is, and by the sum over heads and queries that it stands for. With -short, of few tokens.
func BenchmarkReceived(b *testing.B) {
	batch, tokens := 16, 197
	if testing.Short() {
		batch, tokens = 2, 50
	}
	all, err := backends()
	if err != nil {
		b.Fatal(err)
	}
	for name, backend := range all {
		for way, f := range map[string]func(attn *Node) *Node{
			"product": attention.Received, "sum": func(attn *Node) *Node { return ReduceMean(attn, 1, 2) },
		} {
			b.Run(name+"/"+way, func(b *testing.B) {
				exec, err := NewExec(backend, f)
				if err != nil {
					b.Fatal(err)
				}
				defer exec.Finalize()
				attn := random(rand.New(rand.NewPCG(1, 2)), batch, 6, tokens, tokens)
				call := func() {
					out, err := exec.Call1(attn)
					if err != nil {
						b.Fatal(err)
					}
					tensors.MustCopyFlatData[float32](out) // waits for it
				}
				call() // compiles
				for b.Loop() {
					call()
				}
			})
		}
	}
}
