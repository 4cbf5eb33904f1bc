package plots

import (
	"fmt"
	"testing"
)

func ExampleGroupsFromSource() {
	// A class token and a 2x2 grid; the two upper patches are one token.
	groups, err := GroupsFromSource("layer 0", 2, 2, 1, []float32{
		1, 0, 0, 0, 0,
		0, 1, 1, 0, 0,
		0, 0, 0, 1, 0,
		0, 0, 0, 0, 1,
	})
	fmt.Println(groups.Of, groups.Tokens(), err)
	// Output: [1 1 2 3] 3 <nil>
}

func TestGroupsFromSource(t *testing.T) {
	for name, c := range map[string]struct {
		protected int
		source    []float32
		want      string
	}{
		"a dropped patch":   {0, []float32{1, 0}, "[0 -1] <nil>"},
		"fused with class":  {1, []float32{1, 1, 0, 0, 0, 1}, "[0 1] <nil>"},
		"in two tokens":     {0, []float32{1, 1, 0, 1}, "[] plots: patch 1 is in tokens 0 and 1: pass a 0/1 source map of one image"},
		"another size":      {1, []float32{1, 0, 0, 1}, "[] plots: a source map of 4 values does not fit 1 protected tokens and 1x2 patches: pass one image's"},
		"empty":             {0, nil, "[] plots: a source map of 0 values does not fit 0 protected tokens and 1x2 patches: pass one image's"},
		"protected nothing": {-2, []float32{1}, "[] plots: a source map of 1 values does not fit -2 protected tokens and 1x2 patches: pass one image's"},
	} {
		groups, err := GroupsFromSource("", 1, 2, c.protected, c.source)
		if got := fmt.Sprint(groups.Of, " ", err); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
