package fusion_test

import (
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
)

// TestFirst: the first tokens stay as they are, with their sizes and sources; the others go nowhere.
func TestFirst(t *testing.T) {
	for name, backend := range backends(t) {
		t.Run(name, func(t *testing.T) {
			exec, err := NewExec(backend, func(x *Node) []*Node {
				a := fusion.First(x, 2)
				return []*Node{a.Tokens(x), a.Sum(x), a.Member(), a.Slot()}
			})
			if err != nil {
				t.Fatal(err)
			}
			defer exec.Finalize()
			out, err := exec.Call([][][]float32{{{1, 2}, {3, 4}, {5, 6}}, {{7, 8}, {9, 10}, {11, 12}}})
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range [][]float32{
				{1, 2, 3, 4, 7, 8, 9, 10}, {1, 2, 3, 4, 7, 8, 9, 10},
				{1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0}, {0, 1, -1, 0, 1, -1},
			} {
				if got := tensors.MustCopyFlatData[float32](out[i]); !slices.Equal(got, want) {
					t.Errorf("output %d: %v, want %v", i, got, want)
				}
			}
		})
	}
}
