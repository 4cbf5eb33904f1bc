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
	// Evaluation is how images become its input.
	Evaluation Evaluation
	// Labels name the classes, where they are known.
	Labels []string
}

// Evaluation is a model's evaluation transform: resize the shorter side (0: resize both sides to the
// model's image size), cut out the centre, normalise pixels in [0, 1] channel by channel.
type Evaluation struct {
	Resize    int
	Mean, Std []float64
}

// DefaultEvaluation is DeiT's transform (timm's crop ratio 0.875, ImageNet's mean and deviation) at
// the size of a configuration; images of other than 3 channels are normalised by 0.5 and 0.5.
func DefaultEvaluation(c Config) Evaluation {
	short := float64(min(c.ImageSize.Height, c.ImageSize.Width))
	e := Evaluation{Resize: int(short / 0.875)}
	if c.Channels == 3 {
		e.Mean, e.Std = []float64{0.485, 0.456, 0.406}, []float64{0.229, 0.224, 0.225}
		return e
	}
	e.Mean, e.Std = slices.Repeat([]float64{0.5}, c.Channels), slices.Repeat([]float64{0.5}, c.Channels)
	return e
}

// Models lists the models known by name; DeiT's carry timm's names.
func Models() []Named {
	const deit = "DeiT, Touvron et al. 2021, arXiv 2012.12877, table 1"
	square := func(side int) ImageSize { return ImageSize{side, side} }
	deits := func(dim, heads int, distilled bool) Config {
		return Config{ImageSize: square(224), PatchSize: 16, Channels: 3, Dim: dim, Depth: 12, Heads: heads,
			MLPRatio: 4, Classes: 1000, Distilled: distilled}
	}
	fmnist := Config{ImageSize: square(28), PatchSize: 4, Channels: 1, Dim: 96, Depth: 8, Heads: 3, MLPRatio: 2, Classes: 10}
	models := []Named{{
		Name: "vit_fmnist_patch4_28", Config: fmnist, Source: "Tokenfuse, trained on Fashion-MNIST",
		Evaluation: Evaluation{Mean: []float64{0.2860}, Std: []float64{0.3530}},
		Labels:     []string{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"},
	}}
	for _, distilled := range []bool{false, true} {
		for _, size := range []struct {
			name       string
			dim, heads int
		}{{"tiny", 192, 3}, {"small", 384, 6}, {"base", 768, 12}} {
			name := "deit_" + size.name
			if distilled {
				name += "_distilled"
			}
			c := deits(size.dim, size.heads, distilled)
			models = append(models, Named{Name: name + "_patch16_224", Config: c, Source: deit, Evaluation: DefaultEvaluation(c)})
		}
	}
	return models
}

// ByName returns a named model; an unknown name is an error that lists the known ones.
func ByName(name string) (Named, error) {
	models := Models()
	if i := slices.IndexFunc(models, func(m Named) bool { return m.Name == name }); i >= 0 {
		return models[i], nil
	}
	var names []string
	for _, m := range models {
		names = append(names, m.Name)
	}
	return Named{}, fmt.Errorf("vit: unknown model %q: known are %s", name, strings.Join(names, ", "))
}

// ConfigOf returns the configuration of a named model; see ByName.
func ConfigOf(name string) (Config, error) {
	m, err := ByName(name)
	return m.Config, err
}
