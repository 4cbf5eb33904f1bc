package fusion_test

import (
	"math"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
)

// TestSingleShapes: a tensor that does not fit is named with what would, and what may be of any size.
func TestSingleShapes(t *testing.T) {
	method, err := fusion.Parse("mctf:r=2,layers=0")
	if err != nil {
		t.Fatal(err)
	}
	zeros := func(dims ...int) *tensors.Tensor { return tensors.FromScalarAndDimensions(float32(0), dims...) }
	in := fusion.Tensors{X: zeros(2, 16, 8), Attn: zeros(2, 3, 16, 15)}
	err = fusion.Single{Method: method, Protected: 1}.Check(in)
	if want := "attn is (Float32)[2, 3, 16, 15], x asks for float32 [2 any 16 16]"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not say %q", err, want)
	}
}

// TestATCOfNoNumbers: a token whose keys are no numbers is in one group all the same.
func TestATCOfNoNumbers(t *testing.T) {
	method, err := fusion.Parse("atc:keep_rate=0.5,layers=0")
	if err != nil {
		t.Fatal(err)
	}
	const tokens, dim = 13, 4
	x := make([]float32, tokens*dim)
	for i := range x {
		x[i] = float32(math.Sin(float64(i * i)))
	}
	for broken := range 3 { // so many tokens, none of them protected
		keys := append([]float32(nil), x...)
		for i := range broken * dim {
			keys[2*dim+i] = float32(math.NaN())
		}
		for name, backend := range backends(t) {
			out, err := fusion.Single{Method: method, Protected: 1}.Run(backend, fusion.Tensors{
				X: tensors.FromFlatDataAndDimensions(x, 1, tokens, dim), Metric: tensors.FromFlatDataAndDimensions(keys, 1, tokens, dim)})
			if err != nil {
				t.Fatal(err)
			}
			source := tensors.MustCopyFlatData[float32](out.Source)
			for token := range tokens {
				groups := 0
				for at := token; at < len(source); at += tokens {
					if source[at] == 1 {
						groups++
					}
				}
				if groups != 1 {
					t.Errorf("%s, %d tokens of NaN: token %d is in %d groups", name, broken, token, groups)
				}
			}
		}
	}
}
