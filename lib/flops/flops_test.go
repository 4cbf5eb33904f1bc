package flops_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
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
