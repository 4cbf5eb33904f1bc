package keep

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/gomlx/core/tensors"
)

type inner struct{ n int }

type value struct {
	Name    string
	hidden  []float32
	at      *inner
	any     any
	weights map[string]*tensors.Tensor
}

func sum(t *testing.T, v any) Sum {
	t.Helper()
	sum, err := Content(v)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// full returns a value with something in every field, made anew.
func full() value {
	return value{"a", []float32{1, 2}, &inner{3}, inner{4}, map[string]*tensors.Tensor{
		"w": tensors.FromValue([]float32{1, 2}), "b": tensors.FromValue([]float32{0})}}
}

// TestContentDiffers: values that differ in anything have other sums, and equal ones have the same.
func TestContentDiffers(t *testing.T) {
	changed := func(change func(*value)) value {
		v := full()
		change(&v)
		return v
	}
	seen := map[Sum]string{}
	for name, v := range map[string]any{
		"nil": nil, "nothing": struct{}{}, "0": 0, "int64 0": int64(0), "0.0": 0.0, "minus 0": math.Copysign(0, -1), "false": false, "true": true,
		"empty": "", "1": 1, "-1": -1, "uint8 1": uint8(1), "not a number": math.NaN(), "complex": 1i,
		"nil slice": []int(nil), "empty slice": []int{}, "slice": []int{1, 2}, "slice of int32": []int32{1, 2}, "array": [2]int{1, 2},
		"two lists": [][]int{{1}, {2}}, "one list": [][]int{{1, 2}}, "lists": [][]int{{1, 2}, {}},
		"two texts": []string{"ab", "c"}, "other texts": []string{"a", "bc"},
		"nil map": map[string]int(nil), "empty map": map[string]int{}, "map": map[string]int{"a": 1, "b": 2}, "swapped": map[string]int{"a": 2, "b": 1},
		"full":           full(),
		"name":           changed(func(v *value) { v.Name = "b" }),
		"hidden":         changed(func(v *value) { v.hidden[1] = 3 }),
		"pointed to":     changed(func(v *value) { v.at.n = 9 }),
		"no pointer":     changed(func(v *value) { v.at = nil }),
		"in interface":   changed(func(v *value) { v.any = inner{5} }),
		"other type":     changed(func(v *value) { v.any = 4 }),
		"element":        changed(func(v *value) { v.weights["w"] = tensors.FromValue([]float32{1, 3}) }),
		"shape":          changed(func(v *value) { v.weights["w"] = tensors.FromValue([][]float32{{1, 2}}) }),
		"renamed weight": changed(func(v *value) { v.weights["v"] = v.weights["b"]; delete(v.weights, "b") }),
		"tensor":         tensors.FromValue([]int32{1, 2}), "tensor of int64": tensors.FromValue([]int64{1, 2}),
		"time": time.Unix(1, 0).UTC(), "later": time.Unix(2, 0).UTC(), "another time in a field": struct{ at time.Time }{time.Unix(2, 0).UTC()},
	} {
		got := sum(t, v)
		if same, ok := seen[got]; ok {
			t.Errorf("%s and %s have the same sum", name, same)
		}
		seen[got] = name
	}
	if first, second := sum(t, full()), sum(t, full()); first != second {
		t.Error("the same value has two sums")
	}
	large := map[int]string{}
	for i := range 100 {
		large[i] = strings.Repeat("x", i)
	}
	if first, second := sum(t, large), sum(t, large); first != second {
		t.Error("the order of a map's entries counts")
	}
	ring := &struct{ next any }{}
	ring.next = ring
	sum(t, ring)
}

func TestContentOfFile(t *testing.T) {
	path, other := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	sums := map[Sum]bool{}
	for _, content := range []string{"one", "two"} {
		for _, path := range []string{path, other} {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			sums[sum(t, []any{File(path)})] = true
		}
	}
	if len(sums) != 2 {
		t.Errorf("two contents in two files have %d sums", len(sums))
	}
	if _, err := Content(File(path + ".none")); err == nil {
		t.Error("a file that is not there has a content")
	}
}

func TestNoContent(t *testing.T) {
	slice := []any{nil}
	slice[0] = slice
	for name, c := range map[string]struct {
		value any
		want  string
	}{
		"a function":       {func() {}, "the value is a func(), which has no content"},
		"one deep within":  {map[string][]any{"a": {1, struct{ F func(int) }{func(int) {}}}}, "the value's values[1].F is a func(int)"},
		"a channel":        {make(chan int), "chan int"},
		"one that goes on": {slice, "it holds itself, or is nested more than 1000 deep"},
	} {
		if _, err := Content(c.value); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	sum(t, struct{ f func() }{}) // nil is nil
}

func BenchmarkContent(b *testing.B) {
	pixels := make([]uint8, 47<<20)
	b.SetBytes(int64(len(pixels)))
	for b.Loop() {
		if _, err := Content(pixels); err != nil {
			b.Fatal(err)
		}
	}
}
