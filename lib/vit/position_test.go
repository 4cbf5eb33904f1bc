package vit

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
)

// TestFitPositions compares with timm's resample_abs_pos_embed: grids that grow, shrink and do both,
// behind no, one and two tokens that are no patches.
func TestFitPositions(t *testing.T) {
	data, err := os.ReadFile("testdata/positions.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			Prefix, Old, Rows, Cols, Dim int
			Before, After                []float32
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) == 0 {
		t.Fatal("no cases")
	}
	for _, g := range golden.Cases {
		c := Config{PatchSize: 4, Dim: g.Dim, NoClassToken: g.Prefix == 0, Distilled: g.Prefix == 2}.At(4*g.Rows, 4*g.Cols)
		t.Run(c.ImageSize.String(), func(t *testing.T) {
			before := tensors.FromFlatDataAndDimensions(g.Before, 1, g.Prefix+g.Old*g.Old, g.Dim)
			fitted, err := fitPositions(c, before)
			if err != nil {
				t.Fatal(err)
			}
			got := tensors.MustCopyFlatData[float32](fitted)
			if d := relative(got, g.After); d > 1e-6 {
				t.Errorf("differs by %g of the largest", d)
			}
			if prefix := g.Prefix * g.Dim; !slices.Equal(got[:prefix], g.Before[:prefix]) {
				t.Error("tokens that are no patches changed")
			}
		})
	}
}

// TestResampleByHand: from two positions to four the cubic of a = -0.5 lies at distances 0.25 and 0.75
// from the nearest ones; a constant stays one whatever the sizes.
func TestResampleByHand(t *testing.T) {
	// Centre of output 1 is 0.75, inputs at 0.5 and 1.5: w(0.25) = 0.8671875, w(0.75) = 0.2265625,
	// normalised by their sum 1.09375: the others lie outside.
	first, weights := cubicWeights(1, 2, 4)
	if first != 0 || len(weights) != 2 || math.Abs(weights[0]-0.8671875/1.09375) > 1e-12 {
		t.Errorf("weights %v from %d, want %v from 0", weights, first, 0.8671875/1.09375)
	}
	for _, sizes := range [][2]int{{1, 5}, {5, 1}, {7, 3}, {3, 7}} {
		for _, v := range resampleAxis(slices.Repeat([]float32{3}, sizes[0]), 1, sizes[0], sizes[1], 1) {
			if math.Abs(float64(v)-3) > 1e-6 {
				t.Errorf("%d to %d: a constant 3 became %v", sizes[0], sizes[1], v)
			}
		}
	}
}

// TestPositionRefusals: what cannot be fitted is one line that names it.
func TestPositionRefusals(t *testing.T) {
	m, err := New(tiny(false), 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		positions *tensors.Tensor
		want      string
	}{
		"no square":    {tensors.FromFlatDataAndDimensions(make([]float32, 12*12), 1, 12, 12), "pos_embed has 12 tokens, want 17; its 11 patches are no square"},
		"class alone":  {tensors.FromFlatDataAndDimensions(make([]float32, 12), 1, 1, 12), "its 0 patches are no square"},
		"another dim":  {tensors.FromFlatDataAndDimensions(make([]float32, 17*6), 1, 17, 6), "pos_embed is (Float32)[1, 17, 6], want (Float32)[1 17 12]"},
		"another type": {tensors.FromFlatDataAndDimensions(make([]int32, 17*12), 1, 17, 12), "pos_embed is (Int32)[1, 17, 12]"},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := m.Weights()
			if err != nil {
				t.Fatal(err)
			}
			all["pos_embed"] = c.positions
			_, _, err = FromTensors("tiny", m.Config, all)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v does not say %q in one line", err, c.want)
			}
		})
	}
}
