package bench

import (
	"slices"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/flops"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// tiny has 65 tokens, 4 layers.
var tiny = vit.Config{ImageSize: vit.ImageSize{Height: 32, Width: 32}, PatchSize: 4, Channels: 3, Dim: 24, Depth: 4, Heads: 3, MLPRatio: 2, Classes: 5}

// TestCutTokens: a cut leaves as many tokens as the method, layer by layer, and never costs more.
func TestCutTokens(t *testing.T) {
	for _, spec := range []string{"mctf:r=8", "mctf:r=0.35,layers=1,2", `mctf:r=8,one_step_ahead=precise`, "mctf:r=8,one_step_ahead=off", "tome:r=7", "evit:layers=1,3", "pitome"} {
		method, err := fusion.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		_, want, err := vit.Plan(tiny, method)
		if err != nil {
			t.Fatal(err)
		}
		_, got, err := vit.Plan(tiny, Cut{method})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("cut as %s leaves %v, %v, want %v", spec, got, err, want)
		}
		full, _ := flops.Of(tiny, method)
		cut, err := flops.Of(tiny, Cut{method})
		if err != nil || cut.Total > full.Total || cut.Matching != 0 {
			t.Errorf("cut as %s costs %d, of which matching %d, %v; the method %d", spec, cut.Total, cut.Matching, err, full.Total)
		}
	}
}

// TestCutIsFree: the graph of a cut has no products, sums or comparisons beyond those of the base
// model; only slices.
func TestCutIsFree(t *testing.T) {
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	base := operations(t, backend, fusion.None{})
	for _, method := range []fusion.Method{fusion.MCTF{R: 8}, fusion.ToMe{R: 8}, fusion.EViT{KeepRate: 0.7, Layers: []int{1, 3}}} {
		cut := operations(t, backend, Cut{method})
		if cut[NodeTypeSlice] <= base[NodeTypeSlice] {
			t.Errorf("cut as %s slices nothing", method.Name())
		}
		delete(cut, NodeTypeSlice)
		for kind, count := range cut {
			if count > base[kind] && kind != NodeTypeConstant {
				t.Errorf("cut as %s: %d of %s, the base model has %d", method.Name(), count, kind, base[kind])
			}
		}
		if fused := operations(t, backend, method); fused[NodeTypeDotGeneral] <= base[NodeTypeDotGeneral] {
			t.Errorf("the graph of %s shows no more products than the base model: what is counted here?", method.Name())
		}
	}
}

// operations counts, by their kind, the nodes that a model's logits hang on.
func operations(t *testing.T, backend compute.Backend, method fusion.Method) map[NodeType]int {
	t.Helper()
	m, err := vit.New(tiny, 1)
	if err != nil {
		t.Fatal(err)
	}
	counts, seen := map[NodeType]int{}, map[*Node]bool{}
	var visit func(n *Node)
	visit = func(n *Node) {
		if !seen[n] {
			seen[n] = true
			counts[n.Type()]++
			for _, input := range n.Inputs() {
				visit(input)
			}
		}
	}
	exec, err := model.NewExec(backend, m.Store(), func(_ *model.Scope, images *Node) *Node {
		out := vit.Forward(m.Store(), tiny, method, images)
		visit(out.Logits)
		visit(out.Counts)
		return out.Logits
	})
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Finalize()
	if _, err := exec.Call(tensors.FromFlatDataAndDimensions(pixels(tiny, 1), 1, 3, 32, 32)); err != nil {
		t.Fatal(err)
	}
	return counts
}
