package flops_test

import "testing"

// TestLearnedFvcore compares with fvcore's count of the official DeiT-S of DynamicViT, and of SiT,
// PatchMerger and Sinkhorn in TokenReduction, at keep rate 0.7 in layers 3, 6, 9: modules included.
func TestLearnedFvcore(t *testing.T) {
	for spec, want := range map[string]int{
		"dynamicvit:keep_rate=0.7": 2987611968, "sit:keep_rate=0.7": 2943110784,
		"patchmerger:keep_rate=0.7": 2920397184, "sinkhorn:keep_rate=0.7": 2919573504,
	} {
		t.Run(spec, func(t *testing.T) {
			if got := count(t, models["DeiT-S"], spec).Total; got != want {
				t.Errorf("total %d, fvcore counts %d", got, want)
			}
		})
	}
}
