package ablation

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// mapOf returns the source map of groups, one per patch, -1 for a patch that is dropped, behind protected tokens.
func mapOf(protected, tokens int, groups ...int) []float32 {
	first := protected + len(groups)
	source := make([]float32, (protected+tokens)*first)
	for i := range protected {
		source[i*first+i] = 1
	}
	for patch, group := range groups {
		if group >= 0 {
			source[(protected+group)*first+protected+patch] = 1
		}
	}
	return source
}

// TestForegroundByHand has four patches, of which the first two are foreground: 1 and 0.6 of them, and
// 0.4 of the third.
func TestForegroundByHand(t *testing.T) {
	shares := []float64{1, 0.6, 0.4, 0}
	for name, c := range map[string]struct {
		source []float32
		want   Foreground
	}{
		"nothing fused":          {mapOf(1, 4, 0, 1, 2, 3), Foreground{1, 1, 1, 1, []int{1, 1}, []int{1, 1}}},
		"another order":          {mapOf(1, 4, 2, 0, 3, 1), Foreground{1, 1, 1, 1, []int{1, 1}, []int{1, 1}}},
		"three fused":            {mapOf(1, 2, 0, 0, 0, 1), Foreground{1, 1, 3.0 / 4, 2.0 / 3, []int{3}, []int{1}}},
		"all fused":              {mapOf(1, 1, 0, 0, 0, 0), Foreground{1, 1, 1.0 / 2, 1.0 / 2, []int{4}, nil}},
		"each with another kind": {mapOf(1, 2, 0, 1, 0, 1), Foreground{1, 1, 1.0 / 2, 1.0 / 2, []int{2, 2}, nil}},
		"kinds apart":            {mapOf(1, 2, 0, 0, 1, 1), Foreground{1, 1, 1, 1, []int{2}, []int{2}}},
		"diluted":                {mapOf(1, 2, 0, 1, 1, 1), Foreground{1, 1, 3.0 / 4, (1 + 1.0/3) / 2, []int{1}, []int{3}}},
		"the best patch dropped": {mapOf(1, 2, -1, 0, 1, 1), Foreground{0.5, 0.75, 1, 1, []int{1}, []int{2}}},
		"background dropped":     {mapOf(1, 2, 0, 1, -1, -1), Foreground{0.8, 0.5, 1, 1, []int{1, 1}, nil}},
		"foreground dropped":     {mapOf(1, 1, -1, -1, 0, 0), Foreground{0.2, 0.5, 1, math.NaN(), nil, []int{2}}},
		"all dropped":            {mapOf(1, 0, -1, -1, -1, -1), Foreground{0, 0, math.NaN(), math.NaN(), nil, nil}},
		"an empty token":         {mapOf(2, 3, 0, 0, 2, 2), Foreground{1, 1, 1, 1, []int{2}, []int{2}}},
		"nothing protected":      {mapOf(0, 2, 0, 0, 0, 1), Foreground{1, 1, 3.0 / 4, 2.0 / 3, []int{3}, []int{1}}},
	} {
		t.Run(name, func(t *testing.T) {
			protected := 1
			switch name {
			case "an empty token":
				protected = 2
			case "nothing protected":
				protected = 0
			}
			got, err := ForegroundOf(c.source, shares, protected)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(0, 1e-12)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got, err := ForegroundOf(mapOf(1, 4, 0, 1, 2, 3), make([]float64, 4), 1); err != nil || !math.IsNaN(got.Kept) || !math.IsNaN(got.Purity) || got.GroupPurity != 1 {
		t.Errorf("without foreground: %+v, %v", got, err)
	}
}

func TestForegroundRefusals(t *testing.T) {
	shares := []float64{1, 0, 0}
	twice := mapOf(1, 2, 0, 0, 1)
	twice[2*4+1] = 1 // the first patch, in the second token too
	for name, c := range map[string]struct {
		source    []float32
		protected int
		want      string
	}{
		"a value short":      {make([]float32, 11), 1, "11 values does not fit 1 protected tokens and 3 patches"},
		"empty":              {nil, 1, "0 values"},
		"negative protected": {make([]float32, 12), -1, "-1 protected tokens"},
		"in two tokens":      {twice, 1, "patch 0 is in token 2 and in another one"},
	} {
		if _, err := ForegroundOf(c.source, shares, c.protected); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForegroundAgainstReference goes patch by patch where ForegroundOf goes token by token.
func TestForegroundAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tokens := rapid.IntRange(1, 6).Draw(t, "tokens")
		shares := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 20).Draw(t, "shares")
		groups := rapid.SliceOfN(rapid.IntRange(-1, tokens-1), len(shares), len(shares)).Draw(t, "groups")
		got, err := ForegroundOf(mapOf(1, tokens, groups...), shares, 1)
		if err != nil {
			t.Fatal(err)
		}
		var all, kept, patches, own, pure, majority float64
		for p, group := range groups {
			all += shares[p]
			if group < 0 {
				continue
			}
			same, alike := 0.0, 0.0 // patches with p, and of its kind
			for q := range groups {
				if groups[q] == group {
					same++
					if (shares[q] >= 0.5) == (shares[p] >= 0.5) {
						alike++
					}
				}
			}
			kept += shares[p]
			patches++
			if shares[p] >= 0.5 {
				own++
				pure += alike / same
			}
			majority += max(alike, same-alike) / same
		}
		want := Foreground{Kept: kept / all, PatchesKept: patches / float64(len(shares)), GroupPurity: majority / patches, Purity: pure / own}
		if diff := cmp.Diff(want, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(0, 1e-9),
			cmpopts.IgnoreFields(Foreground{}, "ForegroundSizes", "BackgroundSizes")); diff != "" {
			t.Fatal(diff)
		}
		if total := meanSize(append(got.ForegroundSizes, got.BackgroundSizes...)) * float64(len(got.ForegroundSizes)+len(got.BackgroundSizes)); patches > 0 && math.Abs(total-patches) > 1e-9 {
			t.Fatalf("sizes add up to %v of %v patches", total, patches)
		}
	})
}
