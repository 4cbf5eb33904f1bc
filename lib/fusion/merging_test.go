package fusion_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
)

// image is what a merging step is given, for one image: tokens, keys and sizes.
type image struct {
	x, keys [][]float64
	size    []float64
}

func (m image) tensors() fusion.Tensors { return images{m}.tensors() }

type images []image

func (all images) tensors() fusion.Tensors {
	var x, keys, size []float32
	for _, m := range all {
		for t := range m.x {
			for _, v := range m.x[t] {
				x = append(x, float32(v))
			}
			for _, v := range m.keys[t] {
				keys = append(keys, float32(v))
			}
			size = append(size, float32(m.size[t]))
		}
	}
	b, n := len(all), len(all[0].x)
	return fusion.Tensors{
		X:      tensors.FromFlatDataAndDimensions(x, b, n, len(all[0].x[0])),
		Metric: tensors.FromFlatDataAndDimensions(keys, b, n, len(all[0].keys[0])),
		Size:   tensors.FromFlatDataAndDimensions(size, b, n, 1),
	}
}

// randomImage has keys around four directions, so that some are alike, and sizes 1 to 4.
func randomImage(rng *rand.Rand, tokens int) (m image) {
	vector := func(n int) (v []float64) {
		for range n {
			v = append(v, float64(float32(rng.NormFloat64())))
		}
		return v
	}
	centres := [][]float64{vector(6), vector(6), vector(6), vector(6)}
	for range tokens {
		key, centre := vector(6), centres[rng.IntN(4)]
		for i := range key {
			key[i] = float64(float32(centre[i] + key[i]/2))
		}
		m.keys = append(m.keys, key)
		m.x = append(m.x, vector(5))
		m.size = append(m.size, float64(1+rng.IntN(4)))
	}
	return m
}

func cosine(a, b []float64) float64 {
	dot := 0.0
	for i := range a {
		dot += a[i] * b[i]
	}
	return dot / (length(a) * length(b))
}

// nearest is the most similar of some tokens, the first of equals.
func (m image) nearest(t int, among []int) (partner int, similarity float64) {
	similarity = math.Inf(-1)
	for _, p := range among {
		if s := cosine(m.keys[t], m.keys[p]); s > similarity {
			partner, similarity = p, s
		}
	}
	return partner, similarity
}

// descending orders tokens by a value, equal ones by position.
func descending(tokens []int, value func(t int) float64) []int {
	sorted := slices.Clone(tokens)
	slices.SortStableFunc(sorted, func(a, b int) int {
		switch va, vb := value(a), value(b); {
		case va > vb:
			return -1
		case va < vb:
			return 1
		}
		return 0
	})
	return sorted
}

// group makes the groups of the tokens that stay, in order, and of those that go into them.
func group(stay []int, into map[int]int) (groups [][]int) {
	for _, t := range stay {
		members := []int{t}
		for from, to := range into {
			if to == t {
				members = append(members, from)
			}
		}
		groups = append(groups, slices.Sorted(slices.Values(members)))
	}
	return groups
}

func upTo(from, to int) (all []int) {
	for t := from; t < to; t++ {
		all = append(all, t)
	}
	return all
}

// everySecond returns the members at even and at odd places.
func everySecond(all []int) (even, odd []int) {
	for i, t := range all {
		if i%2 == 0 {
			even = append(even, t)
		} else {
			odd = append(odd, t)
		}
	}
	return even, odd
}

// expect compares a step's output for the i-th image of a batch with groups in output order; what
// follows them must be empty. Fused tokens are means by size.
func expect(t *testing.T, m image, i, protected int, groups [][]int, out *fusion.Tensors) {
	t.Helper()
	n, dim := len(m.x), len(m.x[0])
	left := out.X.Shape().Dimensions[1]
	x, size, source := rows(out.X)[i*left:(i+1)*left], rows(out.Size)[i*left:(i+1)*left], rows(out.Source)[i*left:(i+1)*left]
	homes := make([]int, n)
	for f := range left {
		var members []int
		if f < len(groups) {
			members = groups[f]
		}
		var got []int
		total, pooled := 0.0, make([]float64, dim)
		for k, v := range source[f] {
			if v == 0 {
				continue
			}
			got = append(got, k)
			homes[k]++
			total += m.size[k]
			for d := range pooled {
				pooled[d] += m.x[k][d] * m.size[k]
			}
		}
		if !slices.Equal(got, members) {
			t.Fatalf("image %d: token %d is made of %v, want %v (all: %v)", i, f, got, members, groups)
		}
		if size[f][0] != total {
			t.Errorf("token %d has size %v, want %v", f, size[f][0], total)
		}
		for d := range pooled {
			if diff := math.Abs(x[f][d] - pooled[d]/max(total, 1)); diff > 1e-5 {
				t.Fatalf("token %d differs by %g", f, diff)
			}
		}
	}
	for k, times := range homes {
		if times != 1 {
			t.Errorf("token %d is in %d groups", k, times)
		}
	}
	for p := range protected {
		if !slices.Equal(x[p], m.x[p]) {
			t.Errorf("protected token %d was touched or moved", p)
		}
	}
}

func fuse(t *testing.T, backend compute.Backend, method fusion.Method, protected int, in fusion.Tensors) *fusion.Tensors {
	t.Helper()
	out, err := fusion.Single{Method: method, Protected: protected}.Run(backend, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sourceAt runs a step at any layer of a model and returns its groups.
func sourceAt(t *testing.T, backend compute.Backend, method fusion.Method, at fusion.Layer, m image) [][]int {
	t.Helper()
	step, err := method.Step(at)
	if err != nil {
		t.Fatal(err)
	}
	in := m.tensors()
	source, err := ExecOnce(backend, func(x, keys, size *Node) *Node {
		return step.Assign(fusion.Evidence{X: x, Keys: keys, Size: size, Key: fusion.ImageKey(x)}).Member()
	}, in.X, in.Metric, in.Size)
	if err != nil {
		t.Fatal(err)
	}
	return members(rows(source))
}

// members lists the tokens that each row of a source map marks.
func members(source [][]float64) (groups [][]int) {
	for _, row := range source {
		var group []int
		for k, v := range row {
			if v == 1 {
				group = append(group, k)
			}
		}
		groups = append(groups, group)
	}
	return groups
}

// TestMergingCost: the similarities that each method computes on DeiT-S, keys of 64 components.
func TestMergingCost(t *testing.T) {
	at := fusion.Layer{Index: 1, Depth: 12, Tokens: 197, Protected: 1, Dim: 384, Heads: 6}
	for _, c := range []struct {
		method fusion.Method
		macs   int
	}{
		{fusion.PiToMe{KeepRate: 0.9}, 196 * 196 * 64}, {fusion.ToFu{R: 8}, 99 * 98 * 64},
		{fusion.ATM{Alpha: 0.9}, 99 * 98 * 64}, {fusion.RandomFusion{R: 8}, 0},
	} {
		step, err := c.method.Step(at)
		if err != nil {
			t.Fatal(err)
		}
		if step.Matching != c.macs {
			t.Errorf("%s: %d, want %d", c.method.Name(), step.Matching, c.macs)
		}
	}
}

// TestMergingAlone: what becomes of an image does not depend on the batch it is in.
func TestMergingAlone(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	all := images{randomImage(rng, 17), randomImage(rng, 17), randomImage(rng, 17)}
	for name, backend := range backends(t) {
		for _, method := range []fusion.Method{
			fusion.PiToMe{KeepRate: 0.7}, fusion.ToFu{R: 5}, fusion.ToFu{R: 5, PruneLayers: []int{}},
			fusion.ATM{Alpha: 0.8}, fusion.RandomFusion{R: 5, Seed: 4},
		} {
			if name != "go" && method.Name() == "tofu" {
				continue // XLA takes long to compile, and ToFu's choices are ToMe's
			}
			t.Run(name+"/"+method.Name(), func(t *testing.T) {
				together, alone := fuse(t, backend, method, 1, all.tensors()), fuse(t, backend, method, 1, all[2].tensors())
				for what, pair := range map[string][2]*tensors.Tensor{
					"source map": {together.Source, alone.Source}, "tokens": {together.X, alone.X}, "sizes": {together.Size, alone.Size},
				} {
					all, one := rows(pair[0]), rows(pair[1])
					for f, row := range all[len(all)-len(one):] {
						for k, v := range row {
							if math.Abs(v-one[f][k]) > 1e-6 {
								t.Fatalf("%s differs in token %d", what, f)
							}
						}
					}
				}
			})
		}
	}
}
