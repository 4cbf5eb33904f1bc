package vit

import (
	"math"
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
)

// onGo runs a graph of given tensors on the pure Go backend.
func onGo(t *testing.T, f func([]*Node) *Node, in ...any) []float32 {
	t.Helper()
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	out, err := CallOnce(backend, f, in...)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](out)
}

// TestAveragePatches: a class token 9 and patches 2 and 6, of which the first stands for three: their
// mean is 4, that of the four patches (3*2 + 6)/4 = 3. The class token never counts; a token of size
// 0 holds nothing.
func TestAveragePatches(t *testing.T) {
	x := [][][]float32{{{9}, {2}, {6}}}
	for name, c := range map[string]struct {
		size      []float32 // nil: nothing fused
		protected int
		want      float32
	}{
		"nothing fused":       {nil, 1, 4},
		"fused":               {[]float32{1, 3, 1}, 1, 3},
		"absent":              {[]float32{1, 3, 0}, 1, 2},
		"none left":           {[]float32{1, 0, 0}, 1, 0},
		"no class token":      {nil, 0, 17.0 / 3},
		"no class, but fused": {[]float32{1, 2, 1}, 0, 19.0 / 4},
	} {
		t.Run(name, func(t *testing.T) {
			in := []any{x}
			if c.size != nil {
				in = append(in, tensors.FromFlatDataAndDimensions(c.size, 1, 3, 1))
			}
			got := onGo(t, func(n []*Node) *Node {
				s := stream{x: n[0]}
				if len(n) > 1 {
					s.size = n[1]
				}
				return averagePatches(s, c.protected)
			}, in...)
			if math.Abs(float64(got[0]-c.want)) > 1e-6 {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// TestTokenLabels: four patches with labels in two classes; the first token holds patches 0 and 2, the
// second patch 1, the third none, and patch 3 was dropped.
func TestTokenLabels(t *testing.T) {
	labels := [][][]float32{{{1, 0}, {0.5, 0.5}, {0, 1}, {1, 0}}}
	source := [][][]float32{{
		{1, 0, 0, 0, 0}, // class token
		{0, 1, 0, 1, 0},
		{0, 0, 1, 0, 0},
		{0, 0, 0, 0, 0},
	}}
	got := onGo(t, func(n []*Node) *Node { return TokenLabels(n[0], n[1]) }, labels, source)
	if want := []float32{0.5, 0.5, 0.5, 0.5, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	labels[0][2] = []float32{0.5, 0.5}
	got = onGo(t, func(n []*Node) *Node { return TokenLabels(n[0], n[1]) }, labels, source)
	if want := []float32{0.75, 0.25, 0.5, 0.5, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestTokenLabelLoss: two classes, logits of log 3 and 0, so that the first class has 3/4. The class
// token is right about class 0. Of the tokens behind it one holds 3 patches of class 0, the other 1 of
// class 1.
func TestTokenLabelLoss(t *testing.T) {
	l := float32(math.Log(3))
	class, dense := [][]float32{{l, 0}}, [][][]float32{{{l, 0}, {l, 0}}}
	source := [][][]float32{{{1, 0, 0, 0, 0}, {0, 1, 1, 0, 1}, {0, 0, 0, 1, 0}}}
	size := [][][]float32{{{1}, {3}, {1}}}
	target, labels := [][]float32{{1, 0}}, [][][]float32{{{1, 0}, {1, 0}, {0, 1}, {1, 0}}}
	got := onGo(t, func(n []*Node) *Node {
		return TokenLabelLoss(Output{ClassLogits: n[0], Dense: n[1], Source: n[2], Size: n[3]}, n[4], n[5], 0.5)
	}, class, dense, source, size, target, labels)
	right, wrong := math.Log(4.0/3), math.Log(4.0)
	if want := right + 0.5*(3*right+wrong)/4; math.Abs(float64(got[0])-want) > 1e-6 {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestStrongest: the largest logit of each class, over tokens that hold a patch alone.
func TestStrongest(t *testing.T) {
	dense := [][][]float32{{{1, -5}, {-2, -3}, {9, 9}}}
	got := onGo(t, func(n []*Node) *Node { return strongest(n[0], nil) }, dense)
	if want := []float32{9, 9}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	size := [][][]float32{{{2}, {1}, {0}}}
	got = onGo(t, func(n []*Node) *Node { return strongest(n[0], n[1]) }, dense, size)
	if want := []float32{1, -3}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v, without the absent token", got, want)
	}
}

// TestUnfold compares with the definition, place by place.
func TestUnfold(t *testing.T) {
	const channels, height, width = 2, 8, 12
	maps := make([]float32, channels*height*width)
	for i := range maps {
		maps[i] = float32(i + 1)
	}
	for _, w := range []window{{7, 4, 2}, {3, 2, 1}, {3, 1, 1}, {4, 4, 0}} {
		got := onGo(t, func(n []*Node) *Node { return unfold(n[0], w) }, tensors.FromFlatDataAndDimensions(maps, 1, channels, height, width))
		var want []float32
		for row := range height / w.stride {
			for col := range width / w.stride {
				for channel := range channels {
					for ky := range w.kernel {
						for kx := range w.kernel {
							y, x := row*w.stride+ky-w.padding, col*w.stride+kx-w.padding
							v := float32(0)
							if y >= 0 && y < height && x >= 0 && x < width {
								v = maps[(channel*height+y)*width+x]
							}
							want = append(want, v)
						}
					}
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v differs", w)
		}
	}
}
