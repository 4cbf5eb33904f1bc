package attention_test

import (
	"math"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/attention"
)

// goBackend is one instance for all: tensors cannot move between backends.
var goBackend = sync.OnceValues(func() (compute.Backend, error) { return accel.New("go") })

// run builds and runs a graph on the pure Go backend.
func run(t *testing.T, f func([]*Node) *Node, in ...any) []float32 {
	t.Helper()
	backend, err := goBackend()
	if err != nil {
		t.Fatal(err)
	}
	out, err := CallOnce(backend, f, in...)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](out)
}

func near(t *testing.T, name string, got []float32, want ...float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %v, want %v", name, got, want)
	}
	for i := range want {
		if math.Abs(float64(got[i])-want[i]) > 1e-6 {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// One head, two tokens, d = 4: with q·k = 2 log 3 on one key and 0 on the other, and sqrt(d) = 2,
// the weights are 3 to 1.
func TestMap(t *testing.T) {
	l := 2 * math.Log(3)
	q := tensors.FromFlatDataAndDimensions([]float32{1, 0, 0, 0, 1, 0, 0, 0}, 1, 1, 2, 4)
	k := tensors.FromFlatDataAndDimensions([]float32{float32(l), 0, 0, 0, 0, 0, 0, 0}, 1, 1, 2, 4)
	plain := run(t, func(n []*Node) *Node { return attention.Of(n[0], n[1]).Map() }, q, k)
	near(t, "plain", plain, 0.75, 0.25, 0.75, 0.25)
	// A key that stands for three patches counts three times: 3 to 3.
	size := tensors.FromFlatDataAndDimensions([]float32{1, 3}, 1, 2, 1)
	proportional := run(t, func(n []*Node) *Node { return attention.Of(n[0], n[1]).Proportional(n[2]).Map() }, q, k, size)
	near(t, "proportional", proportional, 0.5, 0.5, 0.5, 0.5)
}

// TestProportionalEqualsRepeated: attention over a token of size 3 is attention over three copies of it.
func TestProportionalEqualsRepeated(t *testing.T) {
	q := tensors.FromFlatDataAndDimensions([]float32{0.3, -1}, 1, 1, 1, 2)
	one := tensors.FromFlatDataAndDimensions([]float32{1, 2, -1, 0.5}, 1, 1, 2, 2)
	three := tensors.FromFlatDataAndDimensions([]float32{1, 2, -1, 0.5, -1, 0.5, -1, 0.5}, 1, 1, 4, 2)
	size := tensors.FromFlatDataAndDimensions([]float32{1, 3}, 1, 2, 1)
	fused := run(t, func(n []*Node) *Node { return attention.Apply(attention.Of(n[0], n[1]).Proportional(n[2]).Map(), n[1]) }, q, one, size)
	repeated := run(t, func(n []*Node) *Node { return attention.Apply(attention.Of(n[0], n[1]).Map(), n[1]) }, q, three)
	near(t, "fused", fused, float64(repeated[0]), float64(repeated[1]))
}

func TestStatistics(t *testing.T) {
	// Two heads, two queries, two keys.
	attn := tensors.FromFlatDataAndDimensions([]float32{0.9, 0.1, 0.5, 0.5, 0.3, 0.7, 0.1, 0.9}, 1, 2, 2, 2)
	near(t, "received", run(t, func(n []*Node) *Node { return attention.Received(n[0]) }, attn), 0.45, 0.55)
	near(t, "from class", run(t, func(n []*Node) *Node { return attention.FromClass(n[0]) }, attn), 0.6, 0.4)
}

// TestHeads: splitting and joining is the identity, and heads take consecutive components.
func TestHeads(t *testing.T) {
	x := tensors.FromFlatDataAndDimensions([]float32{1, 2, 3, 4, 5, 6, 7, 8}, 1, 2, 4)
	near(t, "heads", run(t, func(n []*Node) *Node { return attention.Heads(n[0], 2) }, x), 1, 2, 5, 6, 3, 4, 7, 8)
	near(t, "joined", run(t, func(n []*Node) *Node { return attention.Join(attention.Heads(n[0], 2)) }, x), 1, 2, 3, 4, 5, 6, 7, 8)
}
