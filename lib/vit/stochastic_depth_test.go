package vit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"tokenfuse/lib/fusion"
)

// TestStay: the factors are 0 or 1 over the probability of staying, as often as the rate says, rising
// evenly over the blocks, the same on every backend, and none in the first block or at rate 0.
func TestStay(t *testing.T) {
	const images, blocks, rate = 4000, 5, 0.4
	if d := (StochasticDepth{Rate: rate}); d.stay(0, blocks) != [2]*Node{} || (StochasticDepth{}).stay(3, blocks) != [2]*Node{} {
		t.Error("a branch may be left out in the first block, or at rate 0")
	}
	var first []float32
	for name, backend := range backends(t) {
		exec := MustNewExec(backend, func(g *Graph) *Node {
			d := StochasticDepth{Rate: rate, Key: Iota(g, shapes.Make(dtypes.Uint32, images), 0), Seed: 7}
			var all []*Node
			for block := 1; block < blocks; block++ {
				for _, factor := range d.stay(block, blocks) {
					all = append(all, Reshape(factor, 1, images))
				}
			}
			return Concatenate(all, 0)
		})
		factors := tensors.MustCopyFlatData[float32](exec.MustCall()[0])
		if first == nil {
			first = factors
		}
		if !slices.Equal(first, factors) {
			t.Errorf("%s draws otherwise", name)
		}
		for row, each := range slices.Collect(slices.Chunk(factors, images)) {
			p := rate * float64(1+row/2) / (blocks - 1)
			left := 0
			for _, f := range each {
				if f == 0 {
					left++
				} else if f != float32(1/(1-p)) {
					t.Fatalf("a factor is %v, want 0 or %v", f, 1/(1-p))
				}
			}
			// Within five deviations of a binomial.
			if share := float64(left) / images; share < p-5*0.008 || share > p+5*0.008 {
				t.Errorf("block %d, branch %d was left out of a share of %.3f, want %.3f", 1+row/2, row%2, share, p)
			}
		}
	}
}

// TestStochasticDepth: an image's logits are those of a model whose weights at the end of each branch
// are scaled by the image's factor, for every kind of model, with fusion and without.
func TestStochasticDepth(t *testing.T) {
	const images, rate = 3, 0.7
	backend := backends(t)["Go"]
	for name, c := range everyModel() {
		for _, method := range []fusion.Method{fusion.None{}, fusion.ToMe{R: 2}} {
			t.Run(name+"/"+method.Name(), func(t *testing.T) {
				m, err := New(c, 5)
				if err != nil {
					t.Fatal(err)
				}
				input := randomImages(c, images)
				exec := model.MustNewExec(backend, m.store, func(_ *model.Scope, x *Node) []*Node {
					d := StochasticDepth{Rate: rate, Key: fusion.ImageKey(x), Seed: 3}
					out := []*Node{Forward(m.store, c, method, x, WithStochasticDepth(d)).Logits}
					for block := 1; block < c.Depth; block++ {
						for _, factor := range d.stay(block, c.Depth) {
							out = append(out, factor)
						}
					}
					return out
				})
				all := exec.MustCall(input)
				got := tensors.MustCopyFlatData[float32](all[0])
				left := 0
				for i := range images {
					factors := map[string]float32{}
					for k, factor := range all[1:] {
						end := []string{"attn.proj", "mlp.fc2"}[k%2]
						f := tensors.MustCopyFlatData[float32](factor)[i]
						factors[fmt.Sprintf("blocks.%d.%s.", 1+k/2, end)] = f
						if f == 0 {
							left++
						}
					}
					want := plainLogits(t, backend, scaled(t, m, factors), method, input)[i*c.Classes:][:c.Classes]
					if d := relative(got[i*c.Classes:][:c.Classes], want); d > 1e-4 {
						t.Errorf("image %d: logits are %g of the largest away from those of the scaled model", i, d)
					}
				}
				if left == 0 {
					t.Error("nothing was left out: the test shows nothing")
				}
			})
		}
	}
}

func plainLogits(t *testing.T, backend compute.Backend, m *Model, method fusion.Method, images *tensors.Tensor) []float32 {
	t.Helper()
	c, err := m.WithBackend(backend, method)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	logits, err := c.Logits(images)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](logits)
}

// scaled is a model whose weights with these prefixes are multiplied.
func scaled(t *testing.T, m *Model, factors map[string]float32) *Model {
	t.Helper()
	all, err := m.Weights()
	if err != nil {
		t.Fatal(err)
	}
	all = maps.Clone(all)
	for name, weight := range all {
		for prefix, factor := range factors {
			if strings.HasPrefix(name, prefix) {
				data := tensors.MustCopyFlatData[float32](weight)
				for i := range data {
					data[i] *= factor
				}
				all[name] = tensors.FromFlatDataAndDimensions(data, weight.Shape().Dimensions...)
			}
		}
	}
	out, _, err := FromTensors(m.Name, m.Config, all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
