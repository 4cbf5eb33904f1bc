package vit

import (
	"fmt"
	"slices"
	"strings"
)

// Named is a model known by name.
type Named struct {
	Name   string
	Config Config
	Source string // paper and table
}

// Models lists the models known by name; DeiT's carry timm's names.
func Models() []Named {
	const deit = "DeiT, Touvron et al. 2021, arXiv 2012.12877, table 1"
	square := func(side int) ImageSize { return ImageSize{side, side} }
	deits := func(dim, heads int, distilled bool) Config {
		return Config{ImageSize: square(224), PatchSize: 16, Channels: 3, Dim: dim, Depth: 12, Heads: heads,
			MLPRatio: 4, Classes: 1000, Distilled: distilled}
	}
	return []Named{
		{"vit_fmnist_patch4_28", Config{ImageSize: square(28), PatchSize: 4, Channels: 1, Dim: 96, Depth: 8, Heads: 3,
			MLPRatio: 4, Classes: 10}, "Tokenfuse, trained on Fashion-MNIST; weights come with it"},
		{"deit_tiny_patch16_224", deits(192, 3, false), deit},
		{"deit_small_patch16_224", deits(384, 6, false), deit},
		{"deit_base_patch16_224", deits(768, 12, false), deit},
		{"deit_tiny_distilled_patch16_224", deits(192, 3, true), deit},
		{"deit_small_distilled_patch16_224", deits(384, 6, true), deit},
		{"deit_base_distilled_patch16_224", deits(768, 12, true), deit},
	}
}

// ConfigOf returns the configuration of a named model; an unknown name is an error that lists the
// known ones.
func ConfigOf(name string) (Config, error) {
	models := Models()
	if i := slices.IndexFunc(models, func(m Named) bool { return m.Name == name }); i >= 0 {
		return models[i].Config, nil
	}
	var names []string
	for _, m := range models {
		names = append(names, m.Name)
	}
	return Config{}, fmt.Errorf("vit: unknown model %q: known are %s", name, strings.Join(names, ", "))
}
