package fusion_test

import (
	"math/rand/v2"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/attention"
	"tokenfuse/lib/fusion"
)

// BenchmarkStep: one fusion step alone, on 16 images' tokens of DeiT-S as they enter its first blocks:
// who fuses with whom, the fused tokens and their sizes. Tokens and attention map are on the device. With
// -short there are few.
//
//	go test ./lib/fusion -run '^$' -bench BenchmarkStep
func BenchmarkStep(b *testing.B) {
	batch, tokens, dim, heads := 16, 197, 384, 6
	if testing.Short() {
		batch, tokens, dim = 2, 50, 48
	}
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(dims ...int) *tensors.Tensor {
		n := 1
		for _, d := range dims {
			n *= d
		}
		data := make([]float32, n)
		for i := range data {
			data[i] = rng.Float32()
		}
		return tensors.FromFlatDataAndDimensions(data, dims...)
	}
	for name, backend := range backends(b) {
		for _, method := range []fusion.Method{
			fusion.MCTF{R: 16, Layers: []int{0}}, fusion.ToMe{R: 13}, fusion.EViT{KeepRate: 0.7, Layers: []int{0}},
		} {
			b.Run(name+"/"+method.Name(), func(b *testing.B) {
				step, err := method.Step(fusion.Layer{Depth: 12, Tokens: tokens, Protected: 1, Dim: dim, Heads: heads})
				if err != nil {
					b.Fatal(err)
				}
				exec, err := NewExec(backend, func(x, attn, keys, size *Node) []*Node {
					a := step.Assign(fusion.Evidence{X: x, Attention: attn, Received: attention.Received(attn),
						FromClass: attention.FromClass(attn), Keys: keys, Size: size})
					return []*Node{a.Tokens(x), a.Sum(size)}
				})
				if err != nil {
					b.Fatal(err)
				}
				defer exec.Finalize()
				inputs := []any{random(batch, tokens, dim), random(batch, heads, tokens, tokens), random(batch, tokens, dim/heads), random(batch, tokens, 1)}
				run := func() {
					out, err := exec.Call(inputs...)
					if err != nil {
						b.Fatal(err)
					}
					for _, t := range out {
						t.MustConstFlatData(func(any) {}) // waits for the device
						t.MustFinalizeAll()
					}
				}
				run() // compiles
				for b.Loop() {
					run()
				}
			})
		}
	}
}
