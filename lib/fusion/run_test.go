package fusion_test

import (
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
