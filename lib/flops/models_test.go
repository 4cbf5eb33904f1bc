package flops_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"tokenfuse/lib/flops"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// TestFvcoreModels compares whole models, their stems and their blocks with fvcore's counts of timm's
// ViT and of the official codes of T2T-ViT and LV-ViT. They are equal, but for einsums, the cost of
// which fvcore takes from a text of four digits.
func TestFvcoreModels(t *testing.T) {
	data, err := os.ReadFile("testdata/fvcore-models.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Rows []struct {
			Model               string
			Total, Stem, Blocks int
			By                  map[string]int `json:"by_operator"`
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	for _, row := range golden.Rows {
		t.Run(row.Model, func(t *testing.T) {
			name, rest, _ := strings.Cut(row.Model, " ")
			config, err := vit.ConfigOf(name)
			if err != nil {
				t.Fatal(err)
			}
			switch rest {
			case "at 448":
				config = config.At(448, 448)
			case "average":
				config.Pooling = vit.AveragePooling
			case "average, no class token":
				config.Pooling, config.NoClassToken = vit.AveragePooling, true
			}
			count, err := flops.Of(config, fusion.None{})
			if err != nil {
				t.Fatal(err)
			}
			blocks := 0
			for _, layer := range count.Layers {
				blocks += layer.MACs
			}
			rounding := 5e-4 * float64(row.By["einsum"])
			for _, c := range []struct {
				what      string
				got, want int
			}{{"total", count.Total, row.Total}, {"stem", count.Embed, row.Stem}, {"blocks", blocks, row.Blocks}} {
				if math.Abs(float64(c.got-c.want)) > rounding {
					t.Errorf("%s: %d, fvcore counts %d", c.what, c.got, c.want)
				}
			}
		})
	}
}

// TestPublishedModels compares parameters and GMACs with what the papers and codes print, at the
// precision of the print. Where a figure is not ours, `printed` says what is printed and why says what
// is known of the difference.
func TestPublishedModels(t *testing.T) {
	const (
		timm = "timm at commit aa4b5850, results/benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv"
		t2t  = "README of T2T-ViT at commit 0f63dc9, section 2"
		lv   = "README of TokenLabeling at commit 9dbfd59 (parameters, no GMACs); arXiv 2104.10858 (GMACs)"
		own  = "README of TokenLabeling at commit 9dbfd59 (parameters); its flops_computation.py (GMACs)"
	)
	// What their script counts beside products: softmax (5 per element of a map), dropout, biases; but
	// neither the norm behind the blocks nor the heads.
	const extras = "flops_computation.py of their code counts other things"
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		model       string
		side        int
		parameters  string // millions
		gmacs       string
		printed     string // where it is not gmacs
		source, why string
	}{
		{"deit_tiny_patch16_224", 224, "5.72", "1.26", "", timm, ""},
		{"deit_small_patch16_224", 224, "22.05", "4.61", "", timm, ""},
		{"deit_base_patch16_224", 224, "86.57", "17.58", "", timm, ""},
		{"vit_tiny_patch16_224", 224, "5.72", "1.26", "", timm, ""},
		{"vit_small_patch16_224", 224, "22.05", "4.61", "", timm, ""},
		{"vit_base_patch16_224", 224, "86.57", "17.58", "", timm, ""},
		{"vit_large_patch16_224", 224, "304.33", "61.6", "", timm, ""},
		{"vit_small_patch32_224", 224, "22.88", "1.15", "", timm, ""},
		{"vit_base_patch32_224", 224, "88.22", "4.41", "", timm, ""},
		{"vit_large_patch32_224", 224, "306.54", "15.39", "", timm, "parameters printed 305.51: timm's has no head; this one classifies 1000"},
		{"t2t_vit_7", 224, "4.3", "1.2", "1.1", t2t, "1.156: printed rounded down; the next two of the same stem and blocks are as printed"},
		{"t2t_vit_10", 224, "5.9", "1.5", "", t2t, ""},
		{"t2t_vit_12", 224, "6.9", "1.8", "", t2t, ""},
		{"t2t_vit_14", 224, "21.5", "4.8", "", t2t, ""},
		{"t2t_vit_19", 224, "39.2", "8.5", "", t2t, ""},
		{"t2t_vit_24", 224, "64.1", "13.7", "13.8", t2t, "13.692 by fvcore on their code; their 15.0 for t2t_vit_t_24, the same but for 1.31 more in the stem, agrees with it"},
		{"t2t_vit_t_14", 224, "21.5", "6.1", "", t2t, ""},
		{"t2t_vit_t_19", 224, "39.2", "9.8", "", t2t, ""},
		{"t2t_vit_t_24", 224, "64.1", "15.0", "", t2t, ""},
		{"lvvit_t", 224, "8.53", "2.88", "2.87", own, extras},
		{"lvvit_s", 224, "26.15", "6.6", "", lv, ""},
		{"lvvit_s", 384, "26.30", "21.9", "22.2", lv, extras + ", 22.17"},
		{"lvvit_m", 224, "55.83", "12.7", "16.0", lv, extras + ", 12.74: papers that build on this one print 12.7"},
		{"lvvit_m", 384, "56.03", "41.7", "42.2", lv, extras + ", 42.16"},
		{"lvvit_l", 448, "150.47", "155.3", "157.0", own, extras},
	} {
		t.Run(fmt.Sprintf("%s at %d", c.model, c.side), func(t *testing.T) {
			config, err := vit.ConfigOf(c.model)
			if err != nil {
				t.Fatal(err)
			}
			if c.printed != "" && !explained(string(readme), c.model, c.printed) {
				t.Errorf("the README does not say why %s GMACs are published", c.printed)
			}
			config = config.At(c.side, c.side)
			if got := rounded(float64(config.ParameterCount())/1e6, c.parameters); got != c.parameters {
				t.Errorf("%s M parameters, want %s (%s)", got, c.parameters, c.source)
			}
			count, err := flops.Of(config, fusion.None{})
			if err != nil {
				t.Fatal(err)
			}
			if got := rounded(count.GMACs, c.gmacs); got != c.gmacs {
				t.Errorf("%s GMACs, want %s (%s)", got, c.gmacs, c.source)
			}
		})
	}
}

// explained reports whether a line of text names the model and the figure.
func explained(text, model, figure string) bool {
	for line := range strings.Lines(text) {
		if strings.Contains(line, "`"+model+"`") && strings.Contains(line, figure) {
			return true
		}
	}
	return false
}

// rounded prints a value with as many decimals as another print.
func rounded(value float64, like string) string {
	_, decimals, _ := strings.Cut(like, ".")
	return fmt.Sprintf("%.*f", len(decimals), value)
}
