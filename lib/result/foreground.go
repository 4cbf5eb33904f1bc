package result

import "math"

// Foreground is what became of the article's patches behind the last block, where it is known which they
// are (ablation.ForegroundOf defines each); its fields are fields of the row. All but the counts are means
// over images with their standard errors. Values that were not measured are 0.
type Foreground struct {
	// ForegroundKept is the share of the article's pixels that is in any token, in [0, 1]: below 1 where
	// patches are dropped. PatchesKept is that of all patches, which dropping at random would keep of the
	// article too.
	ForegroundKept      float64 `json:"foreground_kept,omitempty"`
	ForegroundKeptError float64 `json:"foreground_kept_standard_error,omitempty"`
	PatchesKept         float64 `json:"patches_kept,omitempty"`
	PatchesKeptError    float64 `json:"patches_kept_standard_error,omitempty"`
	// GroupPurity is the share of patches that are of their token's majority, foreground or background;
	// ForegroundPurity the share of foreground in the token of a foreground patch. Both are 1 where
	// nothing is fused.
	GroupPurity           float64 `json:"group_purity,omitempty"`
	GroupPurityError      float64 `json:"group_purity_standard_error,omitempty"`
	ForegroundPurity      float64 `json:"foreground_purity,omitempty"`
	ForegroundPurityError float64 `json:"foreground_purity_standard_error,omitempty"`
	// ForegroundSize and BackgroundSize are the patches in a token that is at least half, or less,
	// foreground.
	ForegroundSize      float64 `json:"foreground_size,omitempty"`
	ForegroundSizeError float64 `json:"foreground_size_standard_error,omitempty"`
	BackgroundSize      float64 `json:"background_size,omitempty"`
	BackgroundSizeError float64 `json:"background_size_standard_error,omitempty"`
	// ForegroundTokens and BackgroundTokens are how many of these tokens an image has of 1, 2 to 3, 4 to
	// 7, 8 to 15 patches and so on.
	ForegroundTokens []float64 `json:"foreground_tokens,omitempty"`
	BackgroundTokens []float64 `json:"background_tokens,omitempty"`
}

// validate passes each value to refuse.
func (f Foreground) validate(refuse func(bad bool, key string, value any, want string)) {
	const infinite = math.MaxFloat64
	for _, v := range []struct {
		key               string
		value, error, top float64
	}{
		{"foreground_kept", f.ForegroundKept, f.ForegroundKeptError, 1}, {"patches_kept", f.PatchesKept, f.PatchesKeptError, 1},
		{"group_purity", f.GroupPurity, f.GroupPurityError, 1}, {"foreground_purity", f.ForegroundPurity, f.ForegroundPurityError, 1},
		{"foreground_size", f.ForegroundSize, f.ForegroundSizeError, infinite}, {"background_size", f.BackgroundSize, f.BackgroundSizeError, infinite},
	} {
		want := "a fraction in [0, 1]"
		if v.top == infinite {
			want = "a number from 0 on"
		}
		refuse(!(v.value >= 0 && v.value <= v.top), v.key, v.value, want)
		refuse(!(v.error >= 0 && v.error <= infinite), v.key+"_standard_error", v.error, "a number from 0 on")
	}
	counts := func(key string, tokens []float64) {
		for _, n := range tokens {
			if !(n >= 0 && n <= infinite) {
				refuse(true, key, tokens, "numbers from 0 on")
				return
			}
		}
	}
	counts("foreground_tokens", f.ForegroundTokens)
	counts("background_tokens", f.BackgroundTokens)
}
