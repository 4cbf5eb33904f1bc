package vit

import (
	"fmt"
	"slices"
	"strings"
)

// Named is a model known by name.
type Named struct {
	Name   string
	Family string // "DeiT"
	Config Config
	Source string // paper and table
	// Evaluation is how images become its input.
	Evaluation Evaluation
	// Labels name the classes, where they are known.
	Labels []string
}

// Evaluation is a model's evaluation transform: resize the shorter side, cut out the centre,
// normalise pixels in [0, 1] channel by channel.
type Evaluation struct {
	// Crop is the share of the resized shorter side that the cut keeps; 0 resizes both sides to the
	// model's image size instead.
	Crop      float64
	Mean, Std []float64
}

// Resize is what the shorter side of a picture is resized to for images of a size; 0 where both sides
// are resized to that size. It is rounded down, as timm does.
func (e Evaluation) Resize(size ImageSize) int {
	if e.Crop == 0 {
		return 0
	}
	return int(float64(min(size.Height, size.Width)) / e.Crop)
}

// DefaultEvaluation is the transform of DeiT's code (crop ratio 0.875, ImageNet's mean and
// deviation); images of other than 3 channels are normalised by 0.5 and 0.5.
func DefaultEvaluation(c Config) Evaluation {
	if c.Channels == 3 {
		return imageNet(0.875)
	}
	half := slices.Repeat([]float64{0.5}, c.Channels)
	return Evaluation{Crop: 0.875, Mean: half, Std: half}
}

// imageNet normalises by ImageNet's mean and deviation.
func imageNet(crop float64) Evaluation {
	return Evaluation{Crop: crop, Mean: []float64{0.485, 0.456, 0.406}, Std: []float64{0.229, 0.224, 0.225}}
}

// Models lists the models known by name, family by family: Tokenfuse's own, DeiT (timm's names),
// LV-ViT, T2T-ViT (those of the official codes) and ViT (timm's).
func Models() []Named {
	return labelled(slices.Concat(fashions(), deits(), lvvits(), t2ts(), vits()))
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
