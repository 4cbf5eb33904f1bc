package fusion_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
)

// TestPairsByHand: tokens are directions in the plane, so that the cosine of a pair is that of the
// angle between them.
func TestPairsByHand(t *testing.T) {
	angles := []float64{0, 10, 100, 102, 200, 230, 207, 301, 300, 3, 60, 160} // in degrees
	var x []float32
	for _, a := range angles {
		x = append(x, float32(math.Cos(a*math.Pi/180)), float32(math.Sin(a*math.Pi/180)))
	}
	one := make([]float32, 12*12)
	for i := range one {
		one[i] = 1.0 / 12
	}
	given := func() fusion.Tensors { // anew for each backend, which holds on to what it was given
		return fusion.Tensors{
			X: tensors.FromFlatDataAndDimensions(x, 1, 12, 2), Attn: tensors.FromFlatDataAndDimensions(one, 1, 1, 12, 12),
			Metric: tensors.FromFlatDataAndDimensions(x, 1, 12, 2)}
	}
	for _, test := range []struct {
		name   string
		method fusion.Method
		want   string
	}{
		// A at 0, 100, 200, 207, 300, 60; B at 10, 102, 230, 301, 3, 160 degrees.
		{"one way", fusion.ToMe{R: 3}, "8>7 2>3 0>9"},
		// Of A goes the pair 1 degree apart; then token 3, 2 degrees from token 2, which is still there.
		{"both ways", fusion.MCTF{R: 2, Layers: []int{0}, Criteria: []fusion.Criterion{fusion.Similarity(1)}}, "8>7 3>2"},
		{"nothing", fusion.ToMe{}, ""},
		{"no pairs", fusion.RandomDrop{KeepRate: 0.5, Layers: []int{0}}, ""},
	} {
		for name, backend := range backends(t) {
			out, err := fusion.Single{Method: test.method}.Run(backend, given())
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, p := range out.Pairs(0) {
				if got != "" {
					got += " "
				}
				got += fmt.Sprintf("%d>%d", p.From, p.To)
				angle := angles[p.From] - angles[p.To]
				want := math.Cos(angle * math.Pi / 180)
				if test.method.Name() == "mctf" {
					want = (want + 1) / 2
				}
				if math.Abs(p.Score-want) > 1e-5 {
					t.Errorf("%s on %s: %d>%d scores %v, want %v", test.name, name, p.From, p.To, p.Score, want)
				}
			}
			if got != test.want {
				t.Errorf("%s on %s: %s, want %s", test.name, name, got, test.want)
			}
		}
	}
}

// TestPairsMakeTheGroups: who is joined by pairs is one token in the source map, in each image of a
// batch and in whichever layer.
func TestPairsMakeTheGroups(t *testing.T) {
	const batch, tokens, dim = 3, 21, 6
	random := rand.New(rand.NewPCG(1, 2))
	draw := func(dims ...int) *tensors.Tensor {
		n := 1
		for _, d := range dims {
			n *= d
		}
		flat := make([]float32, n)
		for i := range flat {
			flat[i] = random.Float32()
		}
		return tensors.FromFlatDataAndDimensions(flat, dims...)
	}
	in := fusion.Tensors{X: draw(batch, tokens, dim), Attn: draw(batch, 2, tokens, tokens), Metric: draw(batch, tokens, dim)}
	backend := backends(t)["go"]
	for _, method := range []fusion.Method{
		fusion.MCTF{R: 8}, fusion.MCTF{R: 7, Unidirectional: true}, fusion.ToMe{R: 6}, fusion.RandomFusion{R: 6},
	} {
		out, err := fusion.Single{Method: method, Protected: 1, Index: 1, Depth: 2}.Run(backend, in)
		if err != nil {
			t.Fatal(err)
		}
		remaining := out.X.Shape().Dimensions[1]
		source := tensors.MustCopyFlatData[float32](out.Source)
		for image := range batch {
			group := make([]int, tokens)
			for f := range remaining {
				for token := range tokens {
					if source[(image*remaining+f)*tokens+token] == 1 {
						group[token] = f
					}
				}
			}
			pairs := out.Pairs(image)
			if len(pairs) != tokens-remaining {
				t.Errorf("%s: %d pairs for %d tokens less", method.Name(), len(pairs), tokens-remaining)
			}
			for _, p := range pairs {
				if group[p.From] != group[p.To] || p.From%2 == p.To%2 || p.From == 0 || p.To == 0 {
					t.Errorf("%s: pair %v, groups %d and %d", method.Name(), p, group[p.From], group[p.To])
				}
			}
		}
	}
}
