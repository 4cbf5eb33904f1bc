package vit

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
)

// TestInitialWeights: the weights from which the model that comes with Tokenfuse was trained, and what
// norms, statistics and biases start from.
func TestInitialWeights(t *testing.T) {
	c, err := ConfigOf("vit_fmnist_patch4_28")
	if err != nil {
		t.Fatal(err)
	}
	head := tensors.MustCopyFlatData[float32](c.initial(1)["head.weight"])
	if want := []float32{0.07150389, -0.013207568, 0.08102943}; relative(head[:3], want) > 1e-6 {
		t.Errorf("head.weight starts with %v, want %v", head[:3], want)
	}
	lvvit := everyModel()["lvvit"].initial(1)
	for name, want := range map[string]float32{"patch_embed.bn2.weight": 1, "patch_embed.bn2.running_var": 1, "patch_embed.bn2.running_mean": 0,
		"patch_embed.bn2.bias": 0, "blocks.0.norm1.weight": 1, "aux_head.bias": 0} {
		for _, v := range tensors.MustCopyFlatData[float32](lvvit[name]) {
			if v != want {
				t.Errorf("%s starts with %v, want %v", name, v, want)
			}
		}
	}
}

// TestRandomFeatures: rows are orthogonal, of length sqrt(m).
func TestRandomFeatures(t *testing.T) {
	const m, dim = 8, 16
	w := randomFeatures(rand.New(rand.NewPCG(1, 1)), m, dim)
	for i := range m {
		for j := range m {
			sum, want := 0.0, 0.0
			for k := range dim {
				sum += float64(w[i*dim+k]) * float64(w[j*dim+k])
			}
			if i == j {
				want = m
			}
			if math.Abs(sum-want) > 1e-5 {
				t.Errorf("product of rows %d and %d is %v, want %v", i, j, sum, want)
			}
		}
	}
}

// TestSinusoids compares with the table in the official T2T-ViT's weights, which our file holds in
// half precision.
func TestSinusoids(t *testing.T) {
	all := officials(t)
	t2t := all[slices.IndexFunc(all, func(o official) bool { return o.Config.Stem == T2TPerformerStem })]
	_, file := t2t.read(t)
	want := tensors.MustCopyFlatData[float32](file["pos_embed"])
	if d := relative(sinusoids(t2t.Config.Tokens(), t2t.Config.Dim), want); d > 1e-3 {
		t.Errorf("differs by %g of the largest", d)
	}
}

// TestFixedWeights: training leaves T2T-ViT's positions and features and the statistics of batch norms
// to themselves, and trains every other weight.
func TestFixedWeights(t *testing.T) {
	for kind, want := range map[string][]string{
		"deit":            nil,
		"t2t performer":   {"pos_embed", "tokens_to_token.attention1.w", "tokens_to_token.attention2.w"},
		"t2t transformer": {"pos_embed"},
		"lvvit": {"patch_embed.bn1.running_mean", "patch_embed.bn1.running_var", "patch_embed.bn2.running_mean",
			"patch_embed.bn2.running_var", "patch_embed.bn3.running_mean", "patch_embed.bn3.running_var"},
	} {
		t.Run(kind, func(t *testing.T) {
			m, err := New(everyModel()[kind], 1)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for name := range m.Config.Parameters() {
				if !m.store.GetVariable(variablePath(name)).Trainable {
					got = append(got, name)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%v are fixed, want %v", got, want)
			}
		})
	}
}
