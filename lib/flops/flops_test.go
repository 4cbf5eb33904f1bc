package flops_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"tokenfuse/lib/flops"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

var models = map[string]string{"DeiT-T": "deit_tiny_patch16_224", "DeiT-S": "deit_small_patch16_224"}

// TestFvcore compares totals, tokens and each block with fvcore's count of the official code.
func TestFvcore(t *testing.T) {
	data, err := os.ReadFile("testdata/fvcore.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Table []struct {
			Model, Config string
			Total         int
			Tokens        []int          `json:"tokens_block_out"`
			Modules       map[string]int `json:"by_module"`
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	specs := map[string]string{"none": "none", "mctf_r16_layers1to11": "mctf:r=16,layers=1-11"}
	for _, row := range golden.Table {
		t.Run(row.Model+"/"+row.Config, func(t *testing.T) {
			count := count(t, models[row.Model], specs[row.Config])
			if count.Total != row.Total {
				t.Errorf("total %d, fvcore counts %d", count.Total, row.Total)
			}
			for i, layer := range count.Layers {
				if want := row.Modules[fmt.Sprintf("blocks.%d", i)]; layer.MACs != want {
					t.Errorf("block %d: %d, fvcore counts %d", i, layer.MACs, want)
				}
				if layer.Leaving != row.Tokens[i] {
					t.Errorf("block %d: %d tokens leave, want %d", i, layer.Leaving, row.Tokens[i])
				}
			}
		})
	}
}

// TestPublished compares with MCTF's table 1, to two decimals.
func TestPublished(t *testing.T) {
	for _, c := range []struct {
		model, spec string
		gmacs       float64
	}{
		{"DeiT-T", "none", 1.26}, {"DeiT-T", "mctf:r=16", 0.71}, {"DeiT-T", "mctf:r=0.35,layers=3,6,9", 0.75},
		{"DeiT-S", "none", 4.61}, {"DeiT-S", "mctf:r=16", 2.60}, {"DeiT-S", "mctf:r=0.35,layers=3,6,9", 2.76},
	} {
		t.Run(c.model+"/"+c.spec, func(t *testing.T) {
			if got := math.Round(100*count(t, models[c.model], c.spec).GMACs) / 100; got != c.gmacs {
				t.Errorf("%.2f GMACs, published %.2f", got, c.gmacs)
			}
		})
	}
}

// TestInactive: a layer where r comes out as 0 costs what the plain block costs.
func TestInactive(t *testing.T) {
	got := count(t, "deit_tiny_patch16_224", "mctf:r=20")
	plain := count(t, "deit_tiny_patch16_224", "mctf:r=20,layers=1-10")
	if last := got.Layers[11]; last.Entering != 10 || last.Leaving != 10 || last.Matching != 0 {
		t.Fatalf("layer 11 is %+v: r=20 should have nothing left to fuse there", last)
	}
	if !slices.Equal(got.Layers, plain.Layers) || got.Total != plain.Total {
		t.Errorf("an inactive layer costs %d, the plain block %d", got.Layers[11].MACs, plain.Layers[11].MACs)
	}
}

func count(t *testing.T, model, spec string) flops.Count {
	t.Helper()
	config, err := vit.ConfigOf(model)
	if err != nil {
		t.Fatal(err)
	}
	method, err := fusion.ParseSpec(spec)
	if err != nil {
		t.Fatal(err)
	}
	count, err := flops.Of(config, method)
	if err != nil {
		t.Fatal(err)
	}
	return count
}

func ExampleOf() {
	config, _ := vit.ConfigOf("deit_small_patch16_224")
	for _, method := range []fusion.Method{fusion.None{}, fusion.MCTF{R: 16}, fusion.ToMe{R: 13}} {
		count, err := flops.Of(config, method)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %.2f GMACs\n", method.Name(), count.GMACs)
	}
	// Output:
	// none 4.61 GMACs
	// mctf 2.60 GMACs
	// tome 2.71 GMACs
}

// TestSchedule: what is found meets the target, and one step less would not.
func TestSchedule(t *testing.T) {
	config, err := vit.ConfigOf("deit_small_patch16_224")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ spec, target, want, less string }{
		{"mctf", "2.6", `"r":17`, "mctf:r=16"}, // r=16 costs 2.602
		{"mctf", "2.61", `"r":16`, "mctf:r=15"},
		{"tome", "60%", `"r":13`, "tome:r=12"},
		{"evit", "3.0", `"keep_rate":0.693`, "evit:keep_rate=0.694"},
		{"mctf", "100%", `"r":0`, ""},
	} {
		t.Run(c.spec+" "+c.target, func(t *testing.T) {
			method, err := fusion.Parse(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			target, err := flops.ParseTarget(c.target)
			if err != nil {
				t.Fatal(err)
			}
			found, cost, err := flops.Schedule(config, method, target)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := json.Marshal(found)
			if !strings.Contains(string(text), c.want+",") {
				t.Errorf("%s at %.4f GMACs, want %s", text, cost.GMACs, c.want)
			}
			base := count(t, "deit_small_patch16_224", "none").GMACs
			budget := max(target.GMACs, target.Fraction*base)
			if cost.GMACs > budget {
				t.Errorf("%.4f GMACs, over %.4f", cost.GMACs, budget)
			}
			if c.less != "" && count(t, "deit_small_patch16_224", c.less).GMACs <= budget {
				t.Errorf("%s would have met the target", c.less)
			}
		})
	}
	for target, want := range map[string]string{"0.01": "cannot bring the model", "x": "want GMACs such as 2.6", "-1": "want GMACs", "0%": "want GMACs"} {
		parsed, err := flops.ParseTarget(target)
		if err == nil {
			_, _, err = flops.Schedule(config, fusion.MCTF{R: 16}, parsed)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v does not say %q", target, err, want)
		}
	}
	if _, _, err := flops.Schedule(config, fusion.None{}, flops.Target{Fraction: 0.5}); err == nil {
		t.Error("the base model was adjusted")
	}
	_, _, err = flops.Schedule(config, fusion.ToMe{R: 8}, flops.Target{GMACs: 0.01})
	if err == nil || !strings.Contains(err.Error(), `"r":98,`) { // of 196 patches ToMe can take half
		t.Errorf("%v does not name the cheapest setting", err)
	}
	_, _, err = flops.Schedule(config, fusion.ATM{Alpha: 0.9}, flops.Target{Fraction: 0.5})
	if err == nil || !strings.Contains(err.Error(), "depends on the images") || !strings.Contains(err.Error(), "set alpha") {
		t.Errorf("%v does not say why, and what to do", err)
	}
}

// At equal cost: which settings of three methods take 40% of a DeiT-S away?
func ExampleSchedule() {
	config, _ := vit.ConfigOf("deit_small_patch16_224")
	for _, method := range []fusion.Method{fusion.MCTF{}, fusion.ToMe{}, fusion.EViT{}} {
		found, count, err := flops.Schedule(config, method, flops.Target{Fraction: 0.6})
		if err != nil {
			fmt.Println(err)
			return
		}
		knob := found.(fusion.Adjustable).Knob().Name
		var setting map[string]any
		text, _ := json.Marshal(found)
		json.Unmarshal(text, &setting)
		fmt.Printf("%s %s=%v %.2f GMACs\n", found.Name(), knob, setting[knob], count.GMACs)
	}
	// Output:
	// mctf r=15 2.72 GMACs
	// tome r=13 2.71 GMACs
	// evit keep_rate=0.632 2.75 GMACs
}
