package weights_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/weights"
)

// tensorsNamed are zeros [2], each under a name.
func tensorsNamed(names ...string) map[string]*tensors.Tensor {
	all := map[string]*tensors.Tensor{}
	for _, name := range names {
		all[name] = tensors.FromFlatDataAndDimensions([]float32{0, 0}, 2)
	}
	return all
}

func TestFit(t *testing.T) {
	abc := map[string][]int{"x.a": {2}, "x.b": {2}, "x.c": {2}}
	var ten []string
	for i := range 10 {
		ten = append(ten, fmt.Sprintf("t%d", i))
	}
	for name, c := range map[string]struct {
		want       map[string][]int
		have       map[string]*tensors.Tensor
		err        string // "" for none; its words may be in the order of the map
		unexpected string
	}{
		"all":              {abc, tensorsNamed("x.a", "x.b", "x.c"), "", ""},
		"more":             {abc, tensorsNamed("x.a", "x.b", "x.c", "z", "y"), "", "y, z"},
		"nothing":          {abc, nil, "3 of 3 missing", ""},
		"one missing":      {abc, tensorsNamed("x.a", "x.b"), "1 of 3 missing: x.c", ""},
		"another shape":    {map[string][]int{"a": {2, 3}, "b": {2}}, tensorsNamed("a", "b"), "1 of another shape: a is [2], want [2 3]", ""},
		"another type":     {map[string][]int{"a": {2}, "b": {2}}, map[string]*tensors.Tensor{"a": tensors.FromValue([]int32{1, 2}), "b": tensors.FromValue([]float32{1, 2})}, "1 of another type: a is int32, want float32", ""},
		"both":             {map[string][]int{"a": {2, 3}, "b": {2}, "c": {2}}, tensorsNamed("a", "b", "d"), "1 of 3 missing: c; 1 of another shape: a is [2], want [2 3]; 1 unexpected: d", "d"},
		"a prefix":         {abc, tensorsNamed("vit.x.a", "vit.x.b", "vit.x.c"), `theirs are the model's names behind "vit."`, "vit.x.a, vit.x.b, vit.x.c"},
		"a prefix of most": {abc, tensorsNamed("vit.x.a", "vit.x.b", "other"), `theirs are the model's names behind "vit."`, "other, vit.x.a, vit.x.b"},
		"a prefix less":    {abc, tensorsNamed("a", "b", "c"), `theirs are the model's names without "x."`, "a, b, c"},
		"no prefix":        {map[string][]int{"a": {2}}, tensorsNamed("ba"), "of another architecture or size, or under other names", "ba"},
		"other names":      {abc, tensorsNamed("q"), "of another architecture or size, or under other names", "q"},
		"another size":     {map[string][]int{"a": {3}, "b": {3}}, tensorsNamed("a", "b"), "want [3]; they are of a model of another architecture or size", ""},
		"many":             {abc, tensorsNamed(ten...), "10 unexpected: t0, t1, t2, t3, t4, t5, t6, t7 and 2 more", strings.Join(ten, ", ")},
	} {
		t.Run(name, func(t *testing.T) {
			fit := weights.Compare(maps.All(c.want), c.have)
			err := fit.Err()
			if (err == nil) != (c.err == "") || err != nil && (!strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("%v, want %q in one line", err, c.err)
			}
			if got := strings.Join(fit.Unexpected, ", "); got != c.unexpected {
				t.Errorf("unexpected are %s, want %s", got, c.unexpected)
			}
		})
	}
}

func ExampleCompare() {
	model := map[string][]int{"norm.weight": {2}, "head.weight": {10, 2}}
	fit := weights.Compare(maps.All(model), map[string]*tensors.Tensor{
		"norm.weight": tensors.FromFlatDataAndDimensions([]float32{1, 1}, 2),
		"head.weight": tensors.FromFlatDataAndDimensions([]float32{1, 1, 1, 1}, 2, 2),
	})
	fmt.Println(fit.Err())
	// Output: 1 of another shape: head.weight is [2 2], want [10 2]
}
