//go:build cgo && (linux || darwin)

package native_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/native"
)

// ones is an operand of a shape.
func ones(dims ...int) array { return made(func() float64 { return 1 }, dims...) }

// TestWrongOperands are errors, whatever is wrong with them, and the process lives on.
func TestWrongOperands(t *testing.T) {
	backend := serving(t)
	one, settings := ones(1, 1), []int32{1, 0, 0, 0, 0, 0}
	q, attn, x := ones(2, 3, 2, 4), ones(2, 2, 3, 3), ones(2, 4, 5)
	nine := []any{x, ones(10)}
	for range 9 {
		nine = append(nine, ones(2, 4))
	}
	for _, c := range []struct {
		what     string
		name     string
		results  [][]int
		operands []any
	}{
		{"no values", "attention", [][]int{q.dims, {2, 3}}, []any{q, q, one, one}},
		{"other values than keys", "attention", [][]int{q.dims, {2, 3}}, []any{q, q, one, one, ones(2, 4, 2, 4)}},
		{"keys of other heads", "attention", [][]int{q.dims, {2, 3}}, []any{q, ones(2, 3, 3, 4), one, one, q}},
		{"keys of fewer images", "attention", [][]int{q.dims, {2, 3}}, []any{q, ones(1, 3, 2, 4), one, one, q}},
		{"one result", "attention", [][]int{q.dims}, []any{q, q, one, one, q}},
		{"a result too short", "attention", [][]int{{2, 3, 2, 3}, {2, 3}}, []any{q, q, one, one, q}},
		{"received too short", "attention", [][]int{q.dims, {2, 2}}, []any{q, q, one, one, q}},
		{"whole numbers", "attention", [][]int{q.dims, {2, 3}}, []any{q, q, one, int32(1), q}},
		{"heads not split", "attention", [][]int{{2, 3, 8}, {2, 3}}, []any{ones(2, 3, 8), ones(2, 3, 8), one, one, ones(2, 3, 8)}},
		{"times of another number of keys", "attention_map", [][]int{attn.dims, {2, 3}}, []any{q, q, ones(2, 4), one}},
		{"times as a vector", "attention_map", [][]int{attn.dims, {2, 3}}, []any{q, q, ones(3), one}},
		{"counts of another number of images", "attention_map", [][]int{attn.dims, {2, 3}}, []any{q, q, one, ones(3, 3)}},
		{"a map too small", "attention_map", [][]int{{2, 1, 3, 3}, {2, 3}}, []any{q, q, one, one}},
		{"received too long", "received", [][]int{{2, 4}}, []any{q, q, one, one}},
		{"two results", "received", [][]int{{2, 3}, {2, 3}}, []any{q, q, one, one}},
		{"a map that is not square", "ahead", [][]int{{2, 2, 2, 4}}, []any{ones(2, 2, 3, 4), ones(2, 2, 2, 4), ones(2, 3), ones(2, 3)}},
		{"values of other heads", "ahead", [][]int{{2, 2, 1, 4}}, []any{attn, ones(2, 2, 1, 4), ones(2, 3), ones(2, 3)}},
		{"slots of other tokens", "ahead", [][]int{{2, 2, 2, 4}}, []any{attn, ones(2, 2, 2, 4), ones(2, 4), ones(2, 3)}},
		{"shares of other tokens", "ahead", [][]int{{2, 2, 2, 4}}, []any{attn, ones(2, 2, 2, 4), ones(2, 3), ones(2, 2)}},
		{"gamma too short", "layer_norm", [][]int{x.dims}, []any{x, ones(4), ones(5), one}},
		{"beta too short", "layer_norm", [][]int{x.dims}, []any{x, ones(5), ones(1), one}},
		{"two epsilons", "layer_norm", [][]int{x.dims}, []any{x, ones(5), ones(5), ones(2)}},
		{"a scalar", "layer_norm", [][]int{{}}, []any{ones(), ones(1), ones(1), one}},
		{"another result", "layer_norm", [][]int{{2, 4, 4}}, []any{x, ones(5), ones(5), one}},
		{"bias too short", "gelu", [][]int{x.dims}, []any{x, ones(4)}},
		{"another result", "gelu", [][]int{{2, 4, 6}}, []any{x, ones(5)}},
		{"rows beyond the weight", "linear", [][]int{{2, 4, 6}}, []any{x, ones(6, 5), ones(6), []int32{1, 0}}},
		{"rows before the weight", "linear", [][]int{{2, 4, 6}}, []any{x, ones(7, 5), ones(7), []int32{-1, 0}}},
		{"a weight of another width", "linear", [][]int{{2, 4, 6}}, []any{x, ones(6, 4), ones(6), []int32{0, 0}}},
		{"bias too short", "linear", [][]int{{2, 4, 6}}, []any{x, ones(6, 5), ones(5), []int32{0, 0}}},
		{"more rows than x has", "linear", [][]int{{2, 5, 6}}, []any{x, ones(6, 5), ones(6), []int32{0, 0}}},
		{"a row that is not whole", "linear", [][]int{{2, 4, 6}}, []any{x, ones(6, 5), ones(6), one}},
		{"nothing to add", "linear_add", [][]int{{2, 4, 6}}, []any{x, ones(6, 5), ones(6), []int32{0, 0}}},
		{"too little to add", "linear_add", [][]int{{2, 4, 6}}, []any{x, ones(6, 5), ones(6), []int32{0, 0}, ones(2, 4, 5)}},
		{"three to add to", "linear_add", [][]int{{2, 4, 2}, {2, 4, 2}, {2, 4, 2}}, []any{x, ones(6, 5), ones(6), []int32{0, 0}, ones(2, 4, 2)}},
		{"no norm", "norm_linear", [][]int{{2, 4, 6}}, []any{x, ones(6, 5), ones(6), []int32{0, 0}}},
		{"beta too long", "norm_linear", [][]int{{2, 4, 6}}, []any{x, ones(6, 5), ones(6), []int32{0, 0}, ones(5), ones(6), one}},
		{"results beyond the weight", "norm_linear", [][]int{{2, 4, 3}, {2, 4, 3}}, []any{x, ones(5, 5), ones(5), []int32{0, 0}, ones(5), ones(5), one}},
		{"results of two widths", "norm_linear", [][]int{{2, 4, 3}, {2, 4, 2}}, []any{x, ones(6, 5), ones(6), []int32{0, 0}, ones(5), ones(5), one}},
		{"four results", "norm_linear", [][]int{{2, 4, 1}, {2, 4, 1}, {2, 4, 1}, {2, 4, 1}}, []any{x, ones(6, 5), ones(6), []int32{0, 0}, ones(5), ones(5), one}},
		{"something to add", "norm_linear_gelu", [][]int{{2, 4, 6}}, []any{x, ones(6, 5), ones(6), []int32{0, 0}, ones(5), ones(5), one, ones(2, 4, 6)}},
		{"one token", "cosines", [][]int{{2, 1, 1}}, []any{ones(2, 1, 5)}},
		{"a matrix", "cosines", [][]int{{2, 2, 2}}, []any{ones(4, 5)}},
		{"too many pairs", "cosines", [][]int{{2, 3, 2}}, []any{x}},
		{"no powers", "scores", [][]int{{2, 2, 2}}, []any{x}},
		{"a power too many", "scores", [][]int{{2, 2, 2}}, []any{x, ones(2)}},
		{"a criterion of other tokens", "scores", [][]int{{2, 2, 2}}, []any{x, ones(2), ones(2, 3)}},
		{"too many criteria", "scores", [][]int{{2, 2, 2}}, nine},
		{"settings that are real", "match", [][]int{{2, 4}}, []any{ones(2, 2, 2), ones(6)}},
		{"a setting too few", "match", [][]int{{2, 4}}, []any{ones(2, 2, 2), settings[:5]}},
		{"scores of one image, as a matrix", "match", [][]int{{4}}, []any{ones(2, 2), settings}},
		{"sets that do not alternate", "match", [][]int{{1, 6}}, []any{ones(1, 4, 2), settings}},
		{"more of B than of A", "match", [][]int{{1, 5}}, []any{ones(1, 2, 3), settings}},
		{"more pinned than there are", "match", [][]int{{2, 4}}, []any{ones(2, 2, 2), []int32{1, 0, 3, 0, 0, 0}}},
		{"a slot too few", "match", [][]int{{2, 3}}, []any{ones(2, 2, 2), settings}},
		{"no weight", "share", [][]int{{2, 4}}, []any{ones(2, 4)}},
		{"weights of other tokens", "share", [][]int{{2, 4}}, []any{ones(2, 4), ones(2, 3)}},
		{"attention of other tokens", "share", [][]int{{2, 4}}, []any{ones(2, 4), ones(2, 4), ones(2, 3)}},
		{"another width", "pool", [][]int{{2, 3, 4}}, []any{x, ones(2, 4), ones(2, 4)}},
		{"another number of images", "pool", [][]int{{1, 3, 5}}, []any{x, ones(2, 4), ones(2, 4)}},
		{"slots of other tokens", "pool", [][]int{{2, 3, 5}}, []any{x, ones(2, 3), ones(2, 4)}},
		{"another width", "spread", [][]int{{2, 6, 4}}, []any{x, ones(2, 6)}},
		{"slots of other tokens", "spread", [][]int{{2, 6, 5}}, []any{x, ones(2, 7)}},
	} {
		t.Run(c.name+"/"+c.what, func(t *testing.T) {
			_, err := compile(t, backend, c.name, c.results...).run(c.operands...)
			if err == nil || !strings.Contains(err.Error(), "tokenfuse: "+c.name+": ") {
				t.Errorf("%v, want an error of tokenfuse: %s", err, c.name)
			}
		})
	}
	t.Run("what there is not", func(t *testing.T) {
		if _, err := compile(t, backend, "nothing", []int{1}).run(ones(1)); err == nil || !strings.Contains(err.Error(), "tokenfuse_nothing") {
			t.Errorf("%v, want an error that names tokenfuse_nothing", err)
		}
	})
	check(t, backend, "cosines", []result{cosined(x)}, x)
}

// step is a graph in which operations follow each other, as in a block that fuses tokens.
func step(in []*Node) []*Node {
	x, q, k, once := in[0], in[1], in[2], in[3]
	weight, bias, settings, from := in[4], in[5], in[6], in[7]
	d := x.Shape().Dimensions
	batch, tokens, dim, remaining := d[0], d[1], d[2], d[1]-4
	call := func(name string, shape []int, operands ...*Node) *Node {
		return native.One(name, func() *Node { return unwanted()[0] }, shapes.Make(dtypes.Float32, shape...), operands...)
	}
	formed := native.Call("attention_map", unwanted, []shapes.Shape{
		shapes.Make(dtypes.Float32, batch, q.Shape().Dimensions[2], tokens, tokens), shapes.Make(dtypes.Float32, batch, tokens),
	}, q, k, once, once)
	scores := call("scores", []int{batch, (tokens + 1) / 2, tokens / 2}, x, Ones(x.Graph(), shapes.Make(dtypes.Float32, 2)), formed[1])
	slot := call("match", []int{batch, tokens}, scores, settings)
	share := call("share", []int{batch, tokens}, slot, formed[1])
	pooled := call("pool", []int{batch, remaining, dim}, x, slot, share)
	heads := q.Shape().Dimensions
	mixed := call("ahead", []int{batch, remaining, heads[2], heads[3]}, formed[0], Reshape(pooled, batch, remaining, heads[2], heads[3]), slot, share)
	epsilon := Const(x.Graph(), float32(1e-6))
	active := call("norm_linear_gelu", pooled.Shape().Dimensions, Reshape(mixed, batch, remaining, dim), weight, bias, from, bias, bias, epsilon)
	onto := call("linear_add", pooled.Shape().Dimensions, active, weight, bias, from, pooled)
	norm := call("layer_norm", pooled.Shape().Dimensions, onto, bias, bias, epsilon)
	spread := call("spread", d, norm, slot)
	plain := native.Call("attention", unwanted, []shapes.Shape{q.Shape(), shapes.Make(dtypes.Float32, batch, tokens)}, q, k, once, once, Reshape(spread, q.Shape().Dimensions...))
	return append(plain, slot, norm, call("gelu", d, spread, bias), call("cosines", scores.Shape().Dimensions, x),
		call("linear", d, spread, weight, bias, from), call("norm_linear", d, spread, weight, bias, from, bias, bias, epsilon))
}

// TestAtOnce: goroutines that run one compiled graph at once get the bits that it gives alone, each time.
func TestAtOnce(t *testing.T) {
	backend, rng := serving(t), seeded()
	const batch, tokens, heads, dim = 3, 131, 3, 16
	exec, err := NewExec(backend, step)
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Finalize()
	operands := []array{
		made(rng.NormFloat64, batch, tokens, heads*dim), made(rng.NormFloat64, batch, tokens, heads, dim), made(rng.NormFloat64, batch, tokens, heads, dim),
		ones(1, 1), made(rng.NormFloat64, heads*dim, heads*dim), made(rng.NormFloat64, heads*dim),
	}
	run := func(own bool, shared []any) []float32 {
		in := shared
		if own {
			in = inputs(operands)
		}
		out, err := exec.Call(in...)
		if err != nil {
			t.Error(err)
			return nil
		}
		var all []float32
		for _, x := range out {
			all = append(all, tensors.MustCopyFlatData[float32](x)...)
		}
		return all
	}
	shared := inputs(operands)
	want := run(false, shared)
	for range 3 {
		if !slices.Equal(run(true, nil), want) {
			t.Fatal("other bits the next time")
		}
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 10 {
				if !slices.Equal(run(i%2 == 0, shared), want) {
					t.Error("other bits than alone")
					return
				}
			}
		})
	}
	all.Wait()
}

// inputs are the operands of step.
func inputs(operands []array) []any {
	var in []any
	for _, x := range operands {
		in = append(in, tensors.FromFlatDataAndDimensions(x.data, x.dims...))
	}
	return append(in, tensors.FromValue([]int32{2, 2, 1, 0, 1, 1}), tensors.FromValue([]int32{0, 0}))
}

// TestTakes: the operations take float32 and int32, on XLA's CPU.
func TestTakes(t *testing.T) {
	backend := serving(t)
	pure, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	if native.Serves(pure) {
		t.Error("the backend in Go has the operations")
	}
	g := NewGraph(backend, "takes")
	defer g.Finalize()
	for _, c := range []struct {
		dtypes []dtypes.DType
		want   bool
	}{
		{[]dtypes.DType{dtypes.Float32}, true}, {[]dtypes.DType{dtypes.Float32, dtypes.Int32}, true}, {[]dtypes.DType{dtypes.BFloat16}, false},
		{[]dtypes.DType{dtypes.Float32, dtypes.Float64}, false}, {[]dtypes.DType{dtypes.Int64}, false},
	} {
		var nodes []*Node
		for _, dtype := range c.dtypes {
			nodes = append(nodes, Zeros(g, shapes.Make(dtype, 2)))
		}
		if got := native.Takes(nodes...); got != c.want {
			t.Errorf("%v: %v, want %v", c.dtypes, got, c.want)
		}
	}
}

// TestDefinition: where the operations are switched off, or operands are none of theirs, the definition is built.
func TestDefinition(t *testing.T) {
	backend := serving(t)
	for _, c := range []struct {
		env   string
		dtype dtypes.DType
		want  bool // the definition
	}{
		{"off", dtypes.Float32, true}, {"on", dtypes.Float32, false}, {"", dtypes.Float64, true}, {"", dtypes.Float32, false},
	} {
		t.Setenv(native.Env, c.env)
		g := NewGraph(backend, "definition")
		x := Zeros(g, shapes.Make(c.dtype, 1, 2, 3))
		var defined *Node
		got := native.One("cosines", func() *Node {
			defined = Zeros(g, shapes.Make(c.dtype, 1, 1, 1))
			return defined
		}, shapes.Make(c.dtype, 1, 1, 1), x)
		if built := defined != nil; built != c.want || native.Takes(x) == c.want || built != (got == defined) {
			t.Errorf("%s=%s, %s: definition built is %v, want %v", native.Env, c.env, c.dtype, built, c.want)
		}
		g.Finalize()
	}
}
