package fusion_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
)

// points are the tokens of one image, for slow versions of the clustering methods that are written
// straight from their definitions. Each returns the clusters in output order.
type points struct {
	x      [][]float64 // of the unprotected tokens
	weight []float64
}

func euclid(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return math.Sqrt(sum)
}

func cosineDistance(a, b []float64) float64 {
	dot, na, nb := 0.0, 0.0, 0.0
	for i := range a {
		dot, na, nb = dot+a[i]*b[i], na+a[i]*a[i], nb+b[i]*b[i]
	}
	return 1 - dot/math.Sqrt(na*nb)
}

// agglomerate looks at all pairs of members of all pairs of clusters, each time again.
func (p points) agglomerate(linkage fusion.Linkage, keep int) [][]int {
	var clusters [][]int
	for i := range p.x {
		clusters = append(clusters, []int{i})
	}
	for len(clusters) > keep {
		least, first, second := math.Inf(1), 0, 0
		for a := range clusters {
			for b := a + 1; b < len(clusters); b++ {
				var all []float64
				for _, i := range clusters[a] {
					for _, j := range clusters[b] {
						all = append(all, cosineDistance(p.x[i], p.x[j]))
					}
				}
				distance := 0.0
				switch linkage {
				case fusion.LinkSingle:
					distance = slices.Min(all)
				case fusion.LinkComplete:
					distance = slices.Max(all)
				case fusion.LinkAverage:
					for _, d := range all {
						distance += d / float64(len(all))
					}
				}
				if distance < least {
					least, first, second = distance, a, b
				}
			}
		}
		clusters[first] = append(clusters[first], clusters[second]...)
		slices.Sort(clusters[first])
		clusters = slices.Delete(clusters, second, second+1)
	}
	return clusters
}

// nearest puts each token with its nearest centre.
func (p points) nearest(centres []int) [][]int {
	clusters := make([][]int, len(centres))
	for i := range p.x {
		best := slices.Index(centres, i)
		if best < 0 {
			best = 0
			for k := range centres {
				if euclid(p.x[i], p.x[centres[k]]) < euclid(p.x[i], p.x[centres[best]]) {
					best = k
				}
			}
		}
		clusters[best] = append(clusters[best], i)
	}
	return clusters
}

// first returns the `keep` tokens with the largest values.
func (p points) first(keep int, value func(i int) float64) []int {
	order := make([]int, len(p.x))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case value(a) > value(b):
			return -1
		case value(a) < value(b):
			return 1
		}
		return 0
	})
	return order[:keep]
}

func (p points) kMedoids(rule fusion.MedoidRule, keep, iterations int) [][]int {
	medoids := p.first(keep, func(i int) float64 { return p.weight[i] })
	for range iterations {
		for k, cluster := range p.nearest(medoids) {
			cost := func(i int) (sum float64) {
				if rule == fusion.MedoidOfCluster {
					for _, j := range cluster {
						sum += p.weight[j] * euclid(p.x[i], p.x[j])
					}
					return sum
				}
				for j := range p.x {
					sum += p.weight[i] * euclid(p.x[i], p.x[j])
				}
				return sum
			}
			medoids[k] = cluster[0]
			for _, i := range cluster {
				if cost(i) < cost(medoids[k]) {
					medoids[k] = i
				}
			}
		}
	}
	return p.nearest(medoids)
}

func (p points) densityPeaks(k, keep int) [][]int {
	dim := math.Sqrt(float64(len(p.x[0])))
	density, widest := make([]float64, len(p.x)), 0.0
	for i := range p.x {
		var all []float64
		for j := range p.x {
			all = append(all, euclid(p.x[i], p.x[j])/dim)
		}
		slices.Sort(all)
		widest = max(widest, all[len(all)-1])
		mean := 0.0
		k := min(k, len(all))
		for _, d := range all[:k] {
			mean += d * d / float64(k)
		}
		density[i] = math.Exp(-mean)
	}
	return p.nearest(p.first(keep, func(i int) float64 {
		indicator := widest
		for j := range p.x {
			if density[j] > density[i] || density[j] == density[i] && j < i {
				indicator = min(indicator, euclid(p.x[i], p.x[j])/dim)
			}
		}
		return indicator * density[i]
	}))
}

// TestClustersMatchReference compares the graphs with the slow versions over sizes at the borders: the
// same clusters in the same order, sizes that sum to the tokens, protected tokens untouched and first.
func TestClustersMatchReference(t *testing.T) {
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	methods := map[string]struct {
		step fusion.Method
		want func(p points, keep int) [][]int
	}{
		"single":   {fusion.ATC{Linkage: fusion.LinkSingle}, func(p points, keep int) [][]int { return p.agglomerate(fusion.LinkSingle, keep) }},
		"complete": {fusion.ATC{Linkage: fusion.LinkComplete}, func(p points, keep int) [][]int { return p.agglomerate(fusion.LinkComplete, keep) }},
		"average":  {fusion.ATC{}, func(p points, keep int) [][]int { return p.agglomerate(fusion.LinkAverage, keep) }},
		"kmedoids": {fusion.KMedoids{}, func(p points, keep int) [][]int { return p.kMedoids(fusion.MedoidOfImage, keep, 3) }},
		"kmedoids of cluster": {fusion.KMedoids{MedoidRule: fusion.MedoidOfCluster, Iterations: 2},
			func(p points, keep int) [][]int { return p.kMedoids(fusion.MedoidOfCluster, keep, 2) }},
		"dpcknn": {fusion.DPCKNN{EqualWeights: true}, func(p points, keep int) [][]int { return p.densityPeaks(5, keep) }},
	}
	for name, m := range methods {
		for _, s := range []struct{ tokens, keep, protected int }{
			{2, 1, 0}, {3, 2, 0}, {3, 1, 2}, {5, 3, 1}, {8, 7, 0}, {12, 1, 1}, {13, 5, 2}, {30, 10, 1}, {31, 27, 3},
		} {
			t.Run(fmt.Sprintf("%s/tokens=%d,keep=%d,protected=%d", name, s.tokens, s.keep, s.protected), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(s.tokens), uint64(s.keep)))
				in, image := randomTensors(rng, s.tokens, true)
				in.Metric = in.X
				free := s.tokens - s.protected
				method := at(m.step, min(1, (float64(s.keep)+0.5)/float64(free)))
				out, err := fusion.Single{Method: method, Protected: s.protected}.Run(backend, in)
				if err != nil {
					t.Fatal(err)
				}
				want := make([][]int, 0, s.protected+s.keep)
				for i := range s.protected {
					want = append(want, []int{i})
				}
				for _, cluster := range m.want(points{image.x[s.protected:], image.received[s.protected:]}, s.keep) {
					shifted := slices.Clone(cluster)
					for i := range shifted {
						shifted[i] += s.protected
					}
					want = append(want, shifted)
				}
				if got := groups(t, out.Source); !slices.EqualFunc(got, want, slices.Equal) {
					t.Fatalf("clusters %v, want %v", got, want)
				}
				before, after := tensors.MustCopyFlatData[float32](in.X), tensors.MustCopyFlatData[float32](out.X)
				if n := s.protected * len(image.x[0]); !slices.Equal(before[:n], after[:n]) {
					t.Error("a protected token was touched")
				}
				size := tensors.MustCopyFlatData[float32](out.Size)
				for f, group := range want {
					patches := 0.0
					for _, i := range group {
						patches += image.size[i]
					}
					if float64(size[f]) != patches {
						t.Errorf("fused token %d has size %v, want %v", f, size[f], patches)
					}
				}
			})
		}
	}
}

// TestClustersBatchIndependence: what becomes of an image does not depend on the batch it is in.
func TestClustersBatchIndependence(t *testing.T) {
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	one, _ := randomTensors(rng, 30, true)
	two, _ := randomTensors(rng, 30, true)
	one.Metric, two.Metric = one.X, two.X
	join := func(a, b *tensors.Tensor) *tensors.Tensor {
		dims := slices.Clone(a.Shape().Dimensions)
		dims[0] = 2
		return tensors.FromFlatDataAndDimensions(append(tensors.MustCopyFlatData[float32](a), tensors.MustCopyFlatData[float32](b)...), dims...)
	}
	both := fusion.Tensors{X: join(one.X, two.X), Attn: join(one.Attn, two.Attn), Metric: join(one.Metric, two.Metric), Size: join(one.Size, two.Size)}
	for _, spec := range []string{`{"method":"atc"}`, `{"method":"kmedoids"}`, `{"method":"kmedoids","equal_weight":true}`, `{"method":"dpcknn","equal_weight":true}`} {
		t.Run(spec, func(t *testing.T) {
			step, err := fusion.ParseSingle([]byte(spec))
			if err != nil {
				t.Fatal(err)
			}
			alone, err := step.Run(backend, two)
			if err != nil {
				t.Fatal(err)
			}
			together, err := step.Run(backend, both)
			if err != nil {
				t.Fatal(err)
			}
			for _, pair := range [][2]*tensors.Tensor{{alone.Source, together.Source}, {alone.X, together.X}, {alone.Size, together.Size}} {
				want, got := tensors.MustCopyFlatData[float32](pair[0]), tensors.MustCopyFlatData[float32](pair[1])
				if !slices.Equal(want, got[len(want):]) {
					t.Error("the second image of a batch becomes something else than alone")
				}
			}
		})
	}
}

// TestClusterKnobs: at None nothing happens, at Most one cluster is left, and what comes between is
// between.
func TestClusterKnobs(t *testing.T) {
	for _, method := range []fusion.Adjustable{
		fusion.ATC{KeepRate: 0.7}, fusion.ATC{KeepRatePerLayer: []float64{0.9, 0.5, 0.5}}, fusion.ATC{R: 13}, fusion.ATC{RPerLayer: make([]float64, 12)},
		fusion.KMedoids{KeepRate: 0.7}, fusion.DPCKNN{KeepRate: 0.7},
	} {
		left := func(value float64) int {
			tokens := 197
			for layer := range 12 {
				step, err := method.Adjusted(value).Step(fusion.Layer{Index: layer, Depth: 12, Tokens: tokens, Protected: 1, Dim: 384, Heads: 6, Rows: 14, Cols: 14})
				if err != nil {
					t.Fatal(err)
				}
				if step != nil {
					tokens = step.Remaining
				}
			}
			return tokens
		}
		knob := method.Knob()
		between := 0.5
		if knob.Whole {
			between = 8
		}
		if none, some, most := left(knob.None), left(between), left(knob.Most); none != 197 || some <= 2 || some >= 197 || most != 2 {
			t.Errorf("%s by %s leaves %d, %d, %d tokens, want 197, some, 2", method.Name(), knob.Name, none, some, most)
		}
	}
}

// at sets the keep rate of a method for a single step.
func at(m fusion.Method, rate float64) fusion.Method {
	switch m := m.(type) {
	case fusion.ATC:
		m.KeepRate, m.Layers = rate, []int{0}
		return m
	case fusion.KMedoids:
		m.KeepRate, m.Layers = rate, []int{0}
		return m
	case fusion.DPCKNN:
		m.KeepRate, m.Layers = rate, []int{0}
		return m
	}
	panic(fmt.Errorf("%T is no clustering method: a mistake in this test", m))
}

// groups turns the source map of one image into the tokens of each fused token; each token is in one.
func groups(t *testing.T, source *tensors.Tensor) [][]int {
	t.Helper()
	d := source.Shape().Dimensions
	all, count := make([][]int, d[1]), make([]int, d[2])
	for i, v := range tensors.MustCopyFlatData[float32](source) {
		if v == 1 {
			all[i/d[2]] = append(all[i/d[2]], i%d[2])
			count[i%d[2]]++
		} else if v != 0 {
			t.Fatalf("the source map holds %v", v)
		}
	}
	for token, n := range count {
		if n != 1 {
			t.Fatalf("token %d is in %d fused tokens", token, n)
		}
	}
	return all
}
