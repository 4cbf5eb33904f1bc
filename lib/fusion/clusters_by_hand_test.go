package fusion_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
)

// TestClustersByHand: small cases worked out from the definitions, on a line and on a circle. Token 0 is
// the class token.
func TestClustersByHand(t *testing.T) {
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	line := []float32{0, 1, 2, 10, 11, 13}          // positions of patches 1 to 6
	heed := []float32{.30, .10, .12, .25, .13, .10} // attention that they receive, but for a factor
	circle := []float64{0, 10, 25, 45, 66}          // angles of the keys of patches 1 to 5, degrees
	same := []float64{30, 30, 30, 30}               // all ties
	for name, c := range map[string]struct {
		step   string
		line   []float32
		circle []float64
		want   [][]int
		x      []float32 // of the clusters, where worked out
	}{
		// Nearest members: 10 (1, 2), 15 (2, 3), 20 (3, 4), 21 (4, 5) degrees apart.
		"single, three": {`{"method":"atc","keep_rate":0.6,"linkage":"single"}`, nil, circle, [][]int{{1, 2, 3}, {4}, {5}}, nil},
		"single, two":   {`{"method":"atc","keep_rate":0.4,"linkage":"single"}`, nil, circle, [][]int{{1, 2, 3, 4}, {5}}, nil},
		// Farthest members: {1,2} 10, then {3,4} 20 before {1,2,3} 25, then {3,4,5} 41 before {1,2,3,4} 45.
		"complete, three": {`{"method":"atc","keep_rate":0.6,"linkage":"complete"}`, nil, circle, [][]int{{1, 2}, {3, 4}, {5}}, nil},
		"complete, two":   {`{"method":"atc","keep_rate":0.4,"linkage":"complete"}`, nil, circle, [][]int{{1, 2}, {3, 4, 5}}, nil},
		// Means of 1-cos: {1,2}; {3,4} .060 before {1,2,3} .064; {1,2,3,4} .150 before {3,4,5} .156.
		"average, three":   {`{"method":"atc","keep_rate":0.6}`, nil, circle, [][]int{{1, 2}, {3, 4}, {5}}, nil},
		"average, two":     {`{"method":"atc","keep_rate":0.4}`, nil, circle, [][]int{{1, 2, 3, 4}, {5}}, nil},
		"average, one":     {`{"method":"atc","keep_rate":0.01}`, nil, circle, [][]int{{1, 2, 3, 4, 5}}, []float32{3}},
		"by count":         {`{"method":"atc","r":2}`, nil, circle, [][]int{{1, 2}, {3, 4}, {5}}, []float32{1.5, 3.5, 5}},
		"by a count above": {`{"method":"atc","r":9}`, nil, circle, [][]int{{1, 2, 3, 4, 5}}, nil},
		"all kept":         {`{"method":"atc","keep_rate":1}`, nil, circle, [][]int{{1}, {2}, {3}, {4}, {5}}, []float32{1, 2, 3, 4, 5}},
		// Of equals the lowest pair goes first: (1,2), then (1,3).
		"ties": {`{"method":"atc","keep_rate":0.5}`, nil, same, [][]int{{1, 2, 3}, {4}}, nil},
		// From patches 1 and 4, which receive most. Sums of distances: 37 33 31 31 33 37; times attention
		// the least are 3.3 (patch 2) and 3.7 (patch 6), and stay it.
		"kmedoids": {`{"method":"kmedoids","keep_rate":0.4}`, line, nil, [][]int{{1, 2, 3}, {4, 5, 6}}, []float32{1, 13}},
		// Within clusters, each distance times the attention of the other: .34 .42 .70 and .43 .45 1.01.
		"kmedoids, of the cluster": {`{"method":"kmedoids","keep_rate":0.4,"medoid_rule":"cluster"}`, line, nil, [][]int{{1, 2, 3}, {4, 5, 6}}, []float32{0, 10}},
		"kmedoids, one":            {`{"method":"kmedoids","keep_rate":0}`, line, nil, [][]int{{1, 2, 3, 4, 5, 6}}, []float32{1}},
		// The first, the farthest from it (6), the farthest from either (2). Then 5 and 4 go to 6, 3 to 2;
		// the least sums of distances: 1; 4 (31); 3 (31). Patch 2 is between 1 and 3: to the lower.
		"kmedoids, equal": {`{"method":"kmedoids","keep_rate":0.5,"equal_weight":true,"iterations":1}`, line, nil, [][]int{{1, 2}, {4, 5, 6}, {3}}, []float32{0, 10, 2}},
		// Mean squared distances of k = 2: .5 .5 .5 .5 .5 2: denser by position. Indicators: 13 1 1 8 1 2.
		"dpcknn, two": {`{"method":"dpcknn","keep_rate":0.4,"k_neighbors":2,"equal_weight":true}`, line, nil, [][]int{{1, 2, 3}, {4, 5, 6}}, []float32{1, 34.0 / 3}},
		// Patches 2, 3 and 5 all score 1 exp(-.5), patch 6 2 exp(-2): the lowest position.
		"dpcknn, three": {`{"method":"dpcknn","keep_rate":0.5,"k_neighbors":2,"equal_weight":true}`, line, nil, [][]int{{1}, {4, 5, 6}, {2, 3}}, []float32{0, 34.0 / 3, 1.5}},
		// Weights 2^position: (0 + 2 + 2 4) / 7 and (10 + 11 2 + 13 8) / 11.
		"dpcknn, learned":                     {`{"method":"dpcknn","keep_rate":0.4,"k_neighbors":2}`, line, nil, [][]int{{1, 2, 3}, {4, 5, 6}}, []float32{10.0 / 7, 136.0 / 11}},
		"dpcknn, more neighbours than tokens": {`{"method":"dpcknn","keep_rate":0.2,"k_neighbors":50,"equal_weight":true}`, line, nil, [][]int{{1, 2, 3, 4, 5, 6}}, []float32{37.0 / 6}},
	} {
		t.Run(name, func(t *testing.T) {
			step, err := fusion.ParseSingle([]byte(c.step))
			if err != nil {
				t.Fatal(err)
			}
			n := 1 + max(len(c.line), len(c.circle))
			x, keys, attn := make([]float32, n), make([]float32, 2*n), make([]float32, n*n)
			x[0], keys[0] = 7, 1
			for i := 1; i < n; i++ {
				x[i] = float32(i)
				if c.line != nil {
					x[i] = c.line[i-1]
					for query := range n {
						attn[query*n+i] = heed[i-1] / 2
					}
					continue
				}
				sin, cos := math.Sincos(c.circle[i-1] * math.Pi / 180)
				keys[2*i], keys[2*i+1] = float32(cos), float32(sin)
			}
			out, err := step.Run(backend, fusion.Tensors{
				X:      tensors.FromFlatDataAndDimensions(x, 1, n, 1),
				Metric: tensors.FromFlatDataAndDimensions(keys, 1, n, 2),
				Attn:   tensors.FromFlatDataAndDimensions(attn, 1, 1, n, n),
				Learned: map[string]*tensors.Tensor{
					"cluster_layers.0.score.weight": tensors.FromValue([][]float32{{math.Ln2}}),
					"cluster_layers.0.score.bias":   tensors.FromValue([]float32{0}),
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := groups(t, out.Source), append([][]int{{0}}, c.want...); !slices.EqualFunc(got, want, slices.Equal) {
				t.Fatalf("clusters %v, want %v", got, want)
			}
			got := tensors.MustCopyFlatData[float32](out.X)
			for i, want := range append([]float32{7}, c.x...) {
				if math.Abs(float64(got[i]-want)) > 1e-5 {
					t.Errorf("fused token %d is %v, want %v", i, got[i], want)
				}
			}
		})
	}
}

// TestClusterCounts: how many tokens are left, as the official codes count.
func TestClusterCounts(t *testing.T) {
	for name, c := range map[string]struct {
		spec                             string
		layer, tokens, protects, patches int
		want                             int // tokens left; equal to tokens: nothing happens
	}{
		"a share of the patches":                {"atc:keep_rate=0.7", 3, 197, 1, 196, 1 + 137},
		"its square of them":                    {"atc:keep_rate=0.7", 6, 138, 1, 196, 1 + 96},
		"its cube, rounded down":                {"atc:keep_rate=0.7", 9, 97, 1, 196, 1 + 67},
		"0.9":                                   {"dpcknn:keep_rate=0.9", 9, 159, 1, 196, 1 + 142},
		"0.5":                                   {"dpcknn:keep_rate=0.5", 9, 50, 1, 196, 1 + 24},
		"0.25":                                  {"dpcknn:keep_rate=0.25", 9, 13, 1, 196, 1 + 3},
		"a distillation token more":             {"dpcknn:keep_rate=0.25", 3, 198, 2, 196, 2 + 49},
		"no protected token":                    {"dpcknn:keep_rate=0.25", 3, 196, 0, 196, 49},
		"a rate per layer":                      {"atc:keep_rate=0.5,0.25,layers=3,6", 6, 99, 1, 196, 1 + 49},
		"another layer":                         {"dpcknn:keep_rate=0.25", 4, 197, 1, 196, 197},
		"kmedoids sits a block before":          {"kmedoids:keep_rate=0.25", 2, 197, 1, 196, 1 + 49},
		"and not in the block that it precedes": {"kmedoids:keep_rate=0.25", 3, 197, 1, 196, 197},
		"one is left":                           {"kmedoids:keep_rate=0.25", 8, 5, 1, 16, 2},
		"a single patch stays":                  {"kmedoids:keep_rate=0.25", 8, 2, 1, 16, 2},
		"no patch":                              {"dpcknn:keep_rate=0.25", 3, 1, 1, 16, 1},
		"all are kept":                          {"dpcknn:keep_rate=1", 3, 197, 1, 196, 197},
		"more than there are":                   {"dpcknn:keep_rate=0.9", 3, 50, 1, 196, 50},
		"without a grid, of what is there":      {"atc:keep_rate=0.5", 3, 41, 1, 0, 21},
		"by count, in every layer":              {"atc:r=13", 0, 197, 1, 196, 184},
		"by count, one is left":                 {"atc:r=13", 11, 9, 1, 196, 2},
		"by count, none":                        {"atc:r=0", 0, 197, 1, 196, 197},
		"by counts":                             {"atc:r=13,0,5,layers=1,2,3", 3, 50, 1, 196, 45},
	} {
		t.Run(name, func(t *testing.T) {
			method, err := fusion.Parse(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			step, err := method.Step(fusion.Layer{Index: c.layer, Depth: 12, Tokens: c.tokens, Protected: c.protects, Dim: 384, Heads: 6, Rows: 1, Cols: c.patches})
			if err != nil {
				t.Fatal(err)
			}
			left := c.tokens
			if step != nil {
				left = step.Remaining
			}
			if left != c.want {
				t.Errorf("%d tokens are left, want %d", left, c.want)
			}
		})
	}
}

// TestClusterCosts: multiply-accumulates of the matching, and what it reads.
func TestClusterCosts(t *testing.T) {
	for spec, want := range map[string]string{
		"atc":                                 "197 197 64 = 2483776 [metric]",
		"atc:pooling=attention":               "197 197 64 = 2483776 [metric attn]",
		"kmedoids:layers=3":                   "196 196 384 = 14751744 [attn]",
		"kmedoids:equal_weight=true,layers=3": "196 196 384 = 14751744 []",
		"dpcknn:equal_weight=true":            "196 196 384 = 14751744 []",
		"dpcknn":                              "196 197 384 = 14827008 []",
	} {
		method, err := fusion.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		step, err := method.Step(fusion.Layer{Index: 3, Depth: 12, Tokens: 197, Protected: 1, Dim: 384, Heads: 6, Rows: 14, Cols: 14})
		if err != nil {
			t.Fatal(err)
		}
		if _, got, _ := strings.Cut(want, "= "); got != fmt.Sprint(step.Matching, " ", step.Needs) {
			t.Errorf("%s: %d %v, want %s", spec, step.Matching, step.Needs, want)
		}
	}
}

// TestClusterGradients: through two steps in one graph, each with loops of its own, a gradient reaches
// the tokens that are kept and the learned weights; none comes through the choice.
func TestClusterGradients(t *testing.T) {
	for name, backend := range backends(t) {
		for _, spec := range []string{"atc:keep_rate=0.5,layers=0,1", "kmedoids:keep_rate=0.5,layers=0,1,equal_weight=true", "dpcknn:keep_rate=0.5,layers=0,1"} {
			t.Run(name+"/"+spec, func(t *testing.T) {
				method, err := fusion.Parse(spec)
				if err != nil {
					t.Fatal(err)
				}
				exec, err := NewExec(backend, func(x, weight *Node) []*Node {
					g, tokens := x.Graph(), x
					for layer := range 2 {
						step, err := method.Step(fusion.Layer{Index: layer, Depth: 2, Tokens: tokens.Shape().Dimensions[1], Protected: 1, Dim: 4, Heads: 1, Rows: 3, Cols: 4})
						if err != nil {
							panic(err)
						}
						e := fusion.Evidence{X: tokens, Keys: tokens, Learned: func(_ string, dims ...int) *Node {
							return Reshape(Slice(weight, AxisRange(0, dims[len(dims)-1])), dims...)
						}}
						tokens = step.Assign(e).Tokens(tokens)
					}
					return append(Gradient(ReduceAllSum(Square(tokens)), x, weight), tokens, ScalarOne(g, x.DType()))
				})
				if err != nil {
					t.Fatal(err)
				}
				defer exec.Finalize()
				x := make([]float32, 13*4)
				for i := range x {
					x[i] = float32(math.Sin(float64(i * i)))
				}
				out, err := exec.Call(tensors.FromFlatDataAndDimensions(x, 1, 13, 4), tensors.FromValue([]float32{0.3, -0.2, 0.5, 0.1}))
				if err != nil {
					t.Fatal(err)
				}
				if left := out[2].Shape().Dimensions[1]; left != 4 {
					t.Fatalf("%d tokens are left, want 4", left)
				}
				of := func(i int) (sum float64) {
					for _, v := range tensors.MustCopyFlatData[float32](out[i]) {
						sum += math.Abs(float64(v))
					}
					return sum
				}
				if g := of(0); !(g > 0) || math.IsInf(g, 0) {
					t.Errorf("the gradient of the tokens sums to %v", g)
				}
				if g := of(1); (g > 0) != strings.HasPrefix(spec, "dpcknn") || math.IsNaN(g) {
					t.Errorf("the gradient of the learned weights sums to %v", g)
				}
			})
		}
	}
}
