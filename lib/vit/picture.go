package vit

import (
	"image"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/datasets"
)

// Transform is how a picture becomes the input of a model of a name and configuration, for evaluation:
// the named model's own, or DefaultEvaluation where the name is not known.
func Transform(name string, c Config) datasets.Transform {
	evaluation := DefaultEvaluation(c)
	if named, err := ByName(name); err == nil {
		evaluation = named.Evaluation
	}
	return datasets.Transform{Resize: evaluation.Resize(c.ImageSize), Height: c.ImageSize.Height, Width: c.ImageSize.Width,
		Channels: c.Channels, Mean: evaluation.Mean, Std: evaluation.Std}
}

// Input returns pictures as the model takes them, [batch, channels, height, width]: resized, cut and
// normalised by its Transform.
func (m *Model) Input(pictures ...image.Image) *tensors.Tensor {
	t := Transform(m.Name, m.Config)
	var pixels []float32
	for _, p := range pictures {
		pixels = append(pixels, t.Apply(p)...)
	}
	return tensors.FromFlatDataAndDimensions(pixels, len(pictures), m.Config.Channels, t.Height, t.Width)
}
