package vit

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
)

// At returns the model for images of another size, with its position embedding resampled as
// FromTensors does. Both models have the same weights but not the same variables: training one leaves
// the other.
func (m *Model) At(height, width int) (*Model, error) {
	all, err := m.Weights()
	if err != nil {
		return nil, err
	}
	at, _, err := FromTensors(m.Name, m.Config.At(height, width), all)
	return at, err
}

// fitPositions fits the position embedding of a checkpoint, [1, tokens, dim], to the grid of a
// configuration, as timm does (resample_abs_pos_embed): the embeddings of class and distillation
// token stay, those of the patches, a square grid, are resampled by bicubic interpolation with
// antialiasing. (The codes of T2T-ViT and LV-ViT interpolate without antialiasing, by another cubic;
// Tokenfuse does as timm for all.)
//
// Where the number of tokens is right already nothing is done: a checkpoint of another grid with as
// many patches cannot be told from one that fits.
func fitPositions(c Config, embedding *tensors.Tensor) (*tensors.Tensor, error) {
	d := embedding.Shape().Dimensions
	if len(d) != 3 || d[0] != 1 || d[2] != c.Dim || embedding.DType() != dtypes.Float32 {
		return nil, fmt.Errorf("pos_embed is %s, want (Float32)[1 %d %d]", embedding.Shape(), c.Tokens(), c.Dim)
	}
	if d[1] == c.Tokens() {
		return embedding, nil
	}
	side := int(math.Round(math.Sqrt(float64(d[1] - c.Protected()))))
	if side < 1 || side*side != d[1]-c.Protected() {
		return nil, fmt.Errorf("pos_embed has %d tokens, want %d; its %d patches are no square that could be resampled",
			d[1], c.Tokens(), d[1]-c.Protected())
	}
	rows, cols := c.Grid()
	all := tensors.MustCopyFlatData[float32](embedding)
	prefix := all[:c.Protected()*c.Dim]
	patches := resampleGrid(all[len(prefix):], side, side, rows, cols, c.Dim)
	return tensors.FromFlatDataAndDimensions(append(prefix, patches...), 1, c.Tokens(), c.Dim), nil
}

// resampleGrid resamples a grid of vectors [rows, cols, dim] to [newRows, newCols, dim].
func resampleGrid(grid []float32, rows, cols, newRows, newCols, dim int) []float32 {
	// Along the columns first, as PyTorch does.
	wide := resampleAxis(grid, rows, cols, newCols, dim)
	return resampleAxis(wide, 1, rows, newRows, newCols*dim)
}

// resampleAxis resamples the middle axis of [outer, length, inner] to newLength.
func resampleAxis(data []float32, outer, length, newLength, inner int) []float32 {
	out := make([]float32, outer*newLength*inner)
	for i := range newLength {
		first, weights := cubicWeights(i, length, newLength)
		for o := range outer {
			to := out[(o*newLength+i)*inner:][:inner]
			for j, weight := range weights {
				from := data[(o*length+first+j)*inner:][:inner]
				for k, v := range from {
					to[k] += float32(weight) * v
				}
			}
		}
	}
	return out
}

// cubicWeights returns the weights of position i of an axis that is resampled from length to
// newLength, for the positions from first on: Keys' cubic with a = -0.5, widened where the axis
// shrinks, cut off at the ends and normalised. It is PyTorch's interpolation with antialiasing, which
// is Pillow's.
func cubicWeights(i, length, newLength int) (first int, weights []float64) {
	scale := float64(length) / float64(newLength)
	width := max(scale, 1)
	centre := scale * (float64(i) + 0.5)
	first = max(int(centre-2*width+0.5), 0)
	last := min(int(centre+2*width+0.5), length)
	total := 0.0
	for j := first; j < last; j++ {
		w := cubic((float64(j) - centre + 0.5) / width)
		weights, total = append(weights, w), total+w
	}
	for j := range weights {
		weights[j] /= total
	}
	return first, weights
}

// cubic is Keys' cubic convolution kernel with a = -0.5.
func cubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return ((x-5)*x+8)*x*a - 4*a
	}
	return 0
}
