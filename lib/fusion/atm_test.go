package fusion_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// TestATMThreshold: theta_l = max(alpha - (exp(beta (l-1)) - 1), theta_min), layers counted from 1 in the
// paper and from 0 here.
func TestATMThreshold(t *testing.T) {
	m := fusion.ATM{Alpha: 0.95, Beta: 0.1, ThetaMin: 0.65}
	for layer, want := range []float64{0.95, 1.95 - 1.1051709, 1.95 - 1.2214028, 0.65, 0.65} {
		if got := m.Threshold(layer); math.Abs(got-want) > 1e-6 {
			t.Errorf("layer %d: %v, want %v", layer, got, want)
		}
	}
	if got := (fusion.ATM{Alpha: 0.9}).Threshold(11); got != 0.9 {
		t.Errorf("without beta the threshold falls to %v", got)
	}
}

// TestATMPlain: where nothing can merge the block is plain; else every token may stay.
func TestATMPlain(t *testing.T) {
	for name, c := range map[string]struct {
		method            fusion.ATM
		tokens, protected int
		plain             bool
	}{
		"usual":                  {fusion.ATM{Alpha: 0.9}, 50, 1, false},
		"two patches":            {fusion.ATM{Alpha: 0.9}, 4, 2, false},
		"one patch":              {fusion.ATM{Alpha: 0.9}, 3, 2, true},
		"no cosine is above 1":   {fusion.ATM{Alpha: 1}, 50, 1, true},
		"not one of its layers":  {fusion.ATM{Alpha: 0.9, Layers: []int{1}}, 50, 1, true},
		"the lowest threshold 1": {fusion.ATM{Alpha: 0.9, ThetaMin: 1}, 50, 1, true},
	} {
		step, err := c.method.Step(fusion.Layer{Depth: 3, Tokens: c.tokens, Protected: c.protected, Dim: 8, Heads: 2})
		if err != nil {
			t.Fatal(err)
		}
		if (step == nil) != c.plain {
			t.Errorf("%s: plain is %t", name, step == nil)
		}
		if step != nil && (!step.Adaptive || step.Remaining != c.tokens) {
			t.Errorf("%s: %d tokens at most, adaptive %t", name, step.Remaining, step.Adaptive)
		}
	}
}

// TestATMByHand: alike patches merge, others do not, and each image has its own count.
func TestATMByHand(t *testing.T) {
	alike := [][]float64{{1, 0}, {1, 0}, {2, 0}, {1, 0}, {3, 0}}
	apart := [][]float64{{1, 0}, {1, 0}, {0, 1}, {-1, 0}, {0, -1}}
	x := [][]float64{{1}, {2}, {6}, {4}, {5}}
	for name, backend := range backends(t) {
		for what, c := range map[string]struct {
			sizeLayers []int
			groups     [][][]int // of the two images
		}{
			// A is 2, 4; B is 1, 3: both find 1, as like as 3 and first.
			"by position": {[]int{}, [][][]int{{{0}, {1, 2, 4}, {3}}, {{0}, {2}, {4}, {1}, {3}}}},
			// B, the larger two, is 3, of size 5, and 2, the first of size 2; A is 1 and 4.
			"by size": {[]int{0}, [][][]int{{{0}, {1, 2, 4}, {3}}, {{0}, {1}, {4}, {2}, {3}}}},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				size := []float64{1, 1, 2, 5, 2}
				all := images{{x: x, keys: alike, size: size}, {x: x, keys: apart, size: size}}
				out := fuse(t, backend, fusion.ATM{Alpha: 0.9, SizeLayers: c.sizeLayers}, 1, all.tensors())
				for i, m := range all {
					expect(t, m, i, 1, c.groups[i], out)
				}
			})
		}
	}
}

// atm is one layer of ATM (arXiv 2505.15160) for one image, with lists and sorts.
func (m image) atm(protected int, threshold float64, bySize bool) [][]int {
	var setA, setB []int
	for t := protected; t < len(m.x); t++ {
		if t%2 == 0 {
			setA = append(setA, t)
		} else {
			setB = append(setB, t)
		}
	}
	if bySize {
		patches := upTo(protected, len(m.x))
		sorted := descending(patches, func(t int) float64 { return m.size[t] })
		setB = slices.Sorted(slices.Values(sorted[:len(patches)/2]))
		setA = slices.Sorted(slices.Values(sorted[len(patches)/2:]))
	}
	into, left := map[int]int{}, []int{}
	for _, a := range setA {
		if b, similarity := m.nearest(a, setB); similarity > threshold {
			into[a] = b
		} else {
			left = append(left, a)
		}
	}
	return group(slices.Concat(upTo(0, protected), left, setB), into)
}

// merged is the image whose tokens are the groups.
func (m image) merged(groups [][]int) (next image) {
	for _, members := range groups {
		total := 0.0
		for _, k := range members {
			total += m.size[k]
		}
		mean := func(rows [][]float64) []float64 {
			sum := make([]float64, len(rows[0]))
			for _, k := range members {
				for i, v := range rows[k] {
					sum[i] += v * m.size[k] / total
				}
			}
			return sum
		}
		next.x, next.keys, next.size = append(next.x, mean(m.x)), append(next.keys, mean(m.keys)), append(next.size, total)
	}
	return next
}

// TestATMMatchesReference runs two layers, the second by size and with tokens absent: the same as
// the slow version, whose lists become shorter instead.
func TestATMMatchesReference(t *testing.T) {
	for name, backend := range backends(t) {
		for _, c := range []struct {
			tokens, protected int
			alpha             float64
		}{{17, 1, 0.8}, {18, 2, 0.6}, {21, 0, 0.9}, {14, 1, 1e-9}, {2, 0, 0.1}} {
			if name != "go" && c.protected != 2 {
				continue // XLA takes long to compile
			}
			t.Run(fmt.Sprintf("%s/tokens=%d,protected=%d,alpha=%v", name, c.tokens, c.protected, c.alpha), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(c.tokens), 11))
				all := images{randomImage(rng, c.tokens), randomImage(rng, c.tokens), randomImage(rng, c.tokens)}
				method := fusion.ATM{Alpha: c.alpha, SizeLayers: []int{1}}
				in := all.tensors()
				out, err := ExecOnceN(backend, func(nodes []*Node) []*Node {
					e := fusion.Evidence{X: nodes[0], Keys: nodes[1], Size: nodes[2]}
					first := assignAt(t, method, 0, c.tokens, c.protected)(e)
					next := fusion.Evidence{X: first.Tokens(e.X), Keys: first.Tokens(e.Keys), Size: first.Sum(e.Size), Present: first.Filled()}
					second := assignAt(t, method, 1, c.tokens, c.protected)(next)
					return []*Node{first.Tokens(e.X), first.Sum(e.Size), first.Member(), second.Tokens(next.X), second.Sum(next.Size)}
				}, in.X, in.Metric, in.Size)
				if err != nil {
					t.Fatal(err)
				}
				merges := 0
				for i, m := range all {
					groups := m.atm(c.protected, method.Alpha, false)
					expect(t, m, i, c.protected, groups, &fusion.Tensors{X: out[0], Size: out[1], Source: out[2]})
					next := m.merged(groups)
					again := next.atm(c.protected, method.Alpha, true)
					merges += len(next.x) - len(again)
					sameTokens(t, next.merged(again), rows(out[3])[i*c.tokens:], rows(out[4])[i*c.tokens:(i+1)*c.tokens])
				}
				if merges == 0 && c.tokens > 2 {
					t.Error("the second layer merges nothing: the case tells nothing")
				}
			})
		}
	}
}

// dense is ATM for one image whose counts are known: a static graph without absent tokens.
type dense struct {
	fusion.ATM
	left []int
}

func (m dense) Step(at fusion.Layer) (*fusion.Step, error) {
	step, err := m.ATM.Step(at)
	if step == nil || err != nil {
		return nil, err
	}
	decide := step.Assign
	step.Adaptive, step.Remaining = false, m.left[at.Index]
	step.Assign = func(e fusion.Evidence) *fusion.Assignment {
		slot := decide(e).Slot()
		weight := OnesLike(slot)
		if e.Size != nil {
			weight = Squeeze(e.Size, -1)
		}
		return fusion.Fuse(slot, weight, step.Remaining)
	}
	return step, nil
}

// TestATMMaskIsExact: in a whole model, each image of a batch gets the logits that it gets alone from a
// graph that has only its own tokens.
func TestATMMaskIsExact(t *testing.T) {
	m, err := vit.New(vit.Config{ImageSize: vit.ImageSize{Height: 20, Width: 20}, PatchSize: 4, Channels: 3,
		Dim: 12, Depth: 4, Heads: 2, MLPRatio: 2, Classes: 5}, 3)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(2, 2))
	const batch, each = 3, 3 * 20 * 20
	pixels := make([]float32, batch*each)
	for i := range pixels {
		pixels[i] = float32(rng.NormFloat64()) * float32(i/each+1)
	}
	backend, method := backends(t)["go"], fusion.ATM{Alpha: 0.6, Beta: 0.05}
	trace := func(method fusion.Method, pixels []float32) (logits, counts [][]float64) {
		classifier, err := m.WithBackend(backend, method)
		if err != nil {
			t.Fatal(err)
		}
		defer classifier.Close()
		out, err := classifier.Trace(tensors.FromFlatDataAndDimensions(pixels, len(pixels)/each, 3, 20, 20))
		if err != nil {
			t.Fatal(err)
		}
		return rows(out.Logits), rows(out.Counts)
	}
	logits, counts := trace(method, pixels)
	if slices.Equal(counts[0], counts[1]) || counts[0][3] == 26 {
		t.Fatalf("tokens left are %v: the case tells nothing", counts)
	}
	for i := range batch {
		var left []int
		for _, n := range counts[i] {
			left = append(left, int(n))
		}
		alone, _ := trace(dense{method, left}, pixels[i*each:(i+1)*each])
		for k, v := range alone[0] {
			if math.Abs(v-logits[i][k]) > 1e-5 {
				t.Errorf("image %d with %v tokens: logit %d is %v, alone %v", i, left, k, logits[i][k], v)
			}
		}
	}
}

func assignAt(t *testing.T, method fusion.Method, layer, tokens, protected int) func(fusion.Evidence) *fusion.Assignment {
	t.Helper()
	step, err := method.Step(fusion.Layer{Index: layer, Depth: 2, Tokens: tokens, Protected: protected, Dim: 5, Heads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return step.Assign
}

// sameTokens compares the tokens that are present with an image's; the others have size 0.
func sameTokens(t *testing.T, m image, x, size [][]float64) {
	t.Helper()
	for f := range size {
		if f >= len(m.x) {
			if size[f][0] != 0 {
				t.Fatalf("token %d is present, of size %v, beyond the %d that are left", f, size[f][0], len(m.x))
			}
			continue
		}
		if size[f][0] != m.size[f] {
			t.Fatalf("token %d has size %v, want %v", f, size[f][0], m.size[f])
		}
		for i, v := range m.x[f] {
			if math.Abs(v-x[f][i]) > 1e-5 {
				t.Fatalf("token %d differs", f)
			}
		}
	}
}
