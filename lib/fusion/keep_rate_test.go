package fusion_test

import (
	"slices"
	"strings"
	"testing"

	"tokenfuse/lib/fusion"
)

// TestKeeping: the patches left layer by layer of a model of 12 layers. The counts of "Which Tokens to
// Use?" at its rates are those that its code prints.
func TestKeeping(t *testing.T) {
	for name, c := range map[string]struct {
		spec             string
		rows, cols, prot int
		want             []int // patches left by the layers that reduce
	}{
		"topk 0.9":                  {"topk:keep_rate=0.9", 14, 14, 1, []int{176, 158, 142}},
		"topk published":            {"topk", 14, 14, 1, []int{137, 96, 67}},
		"topk 0.5":                  {"topk:keep_rate=0.5", 14, 14, 2, []int{98, 49, 24}},
		"topk 0.25":                 {"topk:keep_rate=0.25", 14, 14, 1, []int{49, 12, 3}},
		"topk, a rate per layer":    {"topk:keep_rate=0.5,1,0.1,layers=2,3,5", 14, 14, 1, []int{98, 19}},
		"topk, layers in any order": {"topk:keep_rate=0.1,0.5,layers=5,2", 14, 14, 1, []int{98, 19}},
		"topk keeps one":            {"topk:keep_rate=0", 14, 14, 1, []int{1}},
		"topk of one patch":         {"topk:keep_rate=0", 1, 1, 1, nil},
		"topk keeps all":            {"topk:keep_rate=1", 14, 14, 1, nil},
		"topk needs nothing where nothing happens": {"topk:keep_rate=1", 14, 14, 0, nil},
		"random drop":               {"random-drop", 14, 14, 1, []int{137, 96, 67}},
		"random drop, no class":     {"random-drop:keep_rate=0.5", 14, 14, 0, []int{98, 49, 24}},
		"random drop keeps all":     {"random-drop:keep_rate=1", 14, 14, 1, nil},
		"random drop keeps one":     {"random-drop:keep_rate=0", 14, 14, 1, []int{1}},
		"ats published":             {"ats", 14, 14, 1, []int{196, 196, 196, 196, 196, 196, 196, 196, 196}},
		"ats, at most":              {"ats:keep_rate=0.7,layers=3,6,9", 14, 14, 1, []int{137, 96, 67}},
		"ats, one point":            {"ats:keep_rate=0,layers=4", 14, 14, 1, []int{1}},
		"ats of one patch":          {"ats", 1, 1, 1, nil},
		"radial l1 0.9":             {"radial:keep_rate=0.9", 14, 14, 1, []int{172, 156, 136}},
		"radial l1":                 {"radial", 14, 14, 1, []int{136, 92, 68}},
		"radial l1 0.5":             {"radial:keep_rate=0.5", 14, 14, 1, []int{92, 40, 24}},
		"radial l1 0.25":            {"radial:keep_rate=0.25", 14, 14, 1, []int{40, 12, 4}},
		"radial l2 0.9":             {"radial:keep_rate=0.9,norm=l2", 14, 14, 1, []int{176, 156, 140}},
		"radial l2":                 {"radial:norm=l2", 14, 14, 2, []int{140, 96, 68}},
		"radial l2 0.5":             {"radial:keep_rate=0.5,norm=l2", 14, 14, 0, []int{96, 52, 24}},
		"radial l2 0.25":            {"radial:keep_rate=0.25,norm=l2", 14, 14, 1, []int{52, 12, 4}},
		"radial linf 0.9, one step": {"radial:keep_rate=0.9,norm=linf", 14, 14, 1, []int{144}},
		"radial linf":               {"radial:norm=linf", 14, 14, 1, []int{144, 100, 64}},
		"radial linf 0.5":           {"radial:keep_rate=0.5,norm=linf", 14, 14, 1, []int{100, 36, 16}},
		"radial linf 0.25":          {"radial:keep_rate=0.25,norm=linf", 14, 14, 1, []int{36, 16, 4}},
		"radial keeps all":          {"radial:keep_rate=1", 14, 14, 1, nil},
		"radial of one patch":       {"radial:keep_rate=0", 1, 1, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			method, err := fusion.Parse(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			tokens := c.prot + c.rows*c.cols
			for layer := range 12 {
				step, err := method.Step(fusion.Layer{Index: layer, Depth: 12, Tokens: tokens, Protected: c.prot, Rows: c.rows, Cols: c.cols})
				if err != nil {
					t.Fatal(err)
				}
				if step == nil {
					continue
				}
				if step.Matching != 0 {
					t.Errorf("layer %d: %d multiply-accumulates, and there is no matrix product", layer, step.Matching)
				}
				tokens = step.Remaining
				got = append(got, tokens-c.prot)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v patches are left, want %v", got, c.want)
			}
		})
	}
}

func TestKeepingErrors(t *testing.T) {
	for name, c := range map[string]struct {
		method fusion.Method
		want   string
	}{
		"topk without class token": {fusion.ClassTopK{KeepRate: 0.5, Layers: []int{0}}, "topk ranks tokens by the attention of the class token, which this model does not have"},
		"ats without class token":  {fusion.ATS{KeepRate: 1, Layers: []int{0}}, "ats ranks tokens by the attention of the class token, which this model does not have"},
		"a layer too many":         {fusion.ClassTopK{KeepRate: 0.5, Layers: []int{1, 6}}, "layer 6 of a model with 4 layers"},
		"rates for other layers":   {fusion.ATS{KeepRatePerLayer: []float64{1, 1}}, "keep_rate has 2 values for 3 layers"},
		"a rate above 1":           {fusion.RandomDrop{KeepRate: 1.5, Layers: []int{0}}, "keep_rate is 1.5, want 0 to 1"},
		"a norm that is not one":   {fusion.Radial{Norm: "l3", Layers: []int{0}}, `unknown norm "l3": known are l1, l2, linf`},
		"no grid":                  {fusion.Radial{KeepRate: 0.5, Layers: []int{0}}, "radial needs a grid of patches, and 50 are not a square"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.method.Step(fusion.Layer{Depth: 4, Tokens: 50})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v does not say %q in one line", err, c.want)
			}
		})
	}
}

// TestKeepRateKnob: adjusting the keep rate replaces all of them and leaves the other fields alone.
func TestKeepRateKnob(t *testing.T) {
	rates := []float64{0.5, 0.6}
	for _, c := range []struct{ method, want fusion.Adjustable }{
		{fusion.ClassTopK{KeepRatePerLayer: rates, Layers: []int{1, 2}}, fusion.ClassTopK{KeepRate: 0.3, Layers: []int{1, 2}}},
		{fusion.ATS{KeepRatePerLayer: rates, Order: fusion.ByPosition}, fusion.ATS{KeepRate: 0.3, Order: fusion.ByPosition}},
		{fusion.Radial{KeepRatePerLayer: rates, Norm: fusion.L2}, fusion.Radial{KeepRate: 0.3, Norm: fusion.L2}},
		{fusion.RandomDrop{KeepRatePerLayer: rates, Seed: 3}, fusion.RandomDrop{KeepRate: 0.3, Seed: 3}},
	} {
		got, _ := c.method.Adjusted(0.3).MarshalJSON()
		want, _ := c.want.MarshalJSON()
		if string(got) != string(want) {
			t.Errorf("adjusted to %s, want %s", got, want)
		}
		if knob := c.method.Knob(); knob != (fusion.Knob{Name: "keep_rate", None: 1}) {
			t.Errorf("%s: knob %+v", c.method.Name(), knob)
		}
	}
}

// TestQuarters: where methods reduce unless they are told.
func TestQuarters(t *testing.T) {
	for depth, want := range map[int][]int{12: {3, 6, 9}, 16: {4, 8, 12}, 8: {2, 4, 6}, 14: {3, 7, 10}, 4: {1, 2, 3}, 2: {0, 1}, 1: {0}} {
		var got, medoids []int
		for layer := range depth {
			at := fusion.Layer{Index: layer, Depth: depth, Tokens: 65, Protected: 1, Rows: 8, Cols: 8, Dim: 8, Heads: 2}
			if step, err := (fusion.EViT{KeepRate: 0.5}).Step(at); err != nil {
				t.Fatal(err)
			} else if step != nil {
				got = append(got, layer)
			}
			if step, err := (fusion.KMedoids{KeepRate: 0.5}).Step(at); err != nil {
				t.Fatal(err)
			} else if step != nil {
				medoids = append(medoids, layer+1)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("depth %d: layers %v, want %v", depth, got, want)
		}
		if len(want) == 3 && !slices.Equal(medoids, want) {
			t.Errorf("depth %d: clusters enter layers %v, want %v", depth, medoids, want)
		}
	}
}
