package vit

import (
	"fmt"
)

// Config is the shape of a Vision Transformer, and CONFIG.json. Fields behind Distilled are optional:
// their zero values are those of a plain ViT or DeiT.
type Config struct {
	ImageSize ImageSize `json:"image_size"`
	PatchSize int       `json:"patch_size"`
	Channels  int       `json:"channels"`
	Dim       int       `json:"dim"`
	Depth     int       `json:"depth"`
	Heads     int       `json:"heads"`
	MLPRatio  float64   `json:"mlp_ratio"`
	Classes   int       `json:"classes"`
	Distilled bool      `json:"distilled"` // a distillation token stands behind the class token

	Stem          Stem    `json:"stem,omitempty"`           // how an image becomes tokens; PatchStem
	StemDim       int     `json:"stem_dim,omitempty"`       // channels inside a T2T or convolutional stem; 0 is 64
	NoClassToken  bool    `json:"-"`                        // "class_token": false
	Pooling       Pooling `json:"pooling,omitempty"`        // what the head reads; ClassPooling
	NoQKVBias     bool    `json:"-"`                        // "qkv_bias": false
	NormEpsilon   float64 `json:"norm_epsilon,omitempty"`   // of layer norms; 0 is 1e-6
	ResidualScale float64 `json:"residual_scale,omitempty"` // blocks compute x + f(x)/scale; 0 is 1
	TokenLabels   bool    `json:"token_labels,omitempty"`   // a second head classifies each patch (LV-ViT)
	DType         DType   `json:"dtype,omitempty"`          // precision of products; Float32
}

// ImageSize is height and width in pixels; in JSON one number stands for a square.
type ImageSize struct{ Height, Width int }

func (s ImageSize) String() string { return fmt.Sprintf("%dx%d", s.Height, s.Width) }

// At returns the configuration for images of another size; FromTensors fits the position embedding
// of a checkpoint to it.
func (c Config) At(height, width int) Config {
	c.ImageSize = ImageSize{height, width}
	return c
}

// Validate reports the first setting that no model can have.
func (c Config) Validate() error {
	const most = 1 << 20
	for _, f := range []struct {
		name        string
		value, from int
	}{
		{"image_size", min(c.ImageSize.Height, c.ImageSize.Width), 1}, {"image_size", max(c.ImageSize.Height, c.ImageSize.Width), 1},
		{"patch_size", c.PatchSize, 1}, {"channels", c.Channels, 1}, {"dim", c.Dim, 1}, {"depth", c.Depth, 1},
		{"heads", c.Heads, 1}, {"classes", c.Classes, 1}, {"stem_dim", c.StemDim, 0},
	} {
		if f.value < f.from || f.value > most {
			return fmt.Errorf("vit: %s is %d, want %d to %d", f.name, f.value, f.from, most)
		}
	}
	switch {
	case c.ImageSize.Height%c.PatchSize != 0 || c.ImageSize.Width%c.PatchSize != 0:
		return fmt.Errorf("vit: images of %s do not divide into patches of %d", c.ImageSize, c.PatchSize)
	case c.Dim%c.Heads != 0:
		return fmt.Errorf("vit: dim %d does not divide into %d heads", c.Dim, c.Heads)
	case !(c.MLPRatio > 0 && c.MLPRatio <= most) || c.Hidden() < 1:
		return fmt.Errorf("vit: mlp_ratio is %v, want above 0 and at most %d", c.MLPRatio, most)
	case !(c.NormEpsilon >= 0 && c.NormEpsilon < 1):
		return fmt.Errorf("vit: norm_epsilon is %v, want above 0 and below 1 (0: 1e-6)", c.NormEpsilon)
	case !(c.ResidualScale >= 0 && c.ResidualScale < most):
		return fmt.Errorf("vit: residual_scale is %v, want above 0 (0: 1)", c.ResidualScale)
	case c.NoClassToken && c.Distilled:
		return fmt.Errorf("vit: a distilled model has a class token: class_token cannot be false")
	case c.TokenLabels && (c.NoClassToken || c.Distilled || c.Pooling != ClassPooling):
		return fmt.Errorf("vit: token_labels stand beside one class token: want class_token true, distilled false, pooling %q", "class")
	}
	if _, err := ParseDType(c.DType.String()); err != nil {
		return err
	}
	if err := c.validatePooling(); err != nil {
		return err
	}
	stem, err := c.stem()
	if err != nil {
		return err
	}
	if err := stem.validate(); err != nil {
		return err
	}
	return c.validateSize()
}

// validateSize reports a model larger than any, of which a few bytes of CONFIG.json could ask for all the
// memory.
func (c Config) validateSize() error {
	const mostTokens, mostDepth, mostWeights = 1 << 20, 1 << 10, 1 << 35
	if c.Depth > mostDepth {
		return fmt.Errorf("vit: depth is %d, want at most %d", c.Depth, mostDepth)
	}
	if tokens := c.Tokens(); tokens > mostTokens { // a grid of 2^20 by 2^20 at most
		return fmt.Errorf("vit: images of %s in patches of %d are %d tokens, want at most %d", c.ImageSize, c.PatchSize, tokens, mostTokens)
	}
	weights := 0.0
	for _, dims := range c.Parameters() {
		count := 1.0
		for _, d := range dims {
			count *= float64(d)
		}
		weights += count
	}
	if weights > mostWeights {
		return fmt.Errorf("vit: a model of %.3g weights, want at most %.3g", weights, float64(mostWeights))
	}
	return nil
}

// Grid returns the rows and columns of patches.
func (c Config) Grid() (rows, cols int) {
	return c.ImageSize.Height / c.PatchSize, c.ImageSize.Width / c.PatchSize
}

// Patches is the number of tokens that the stem makes of an image.
func (c Config) Patches() int {
	rows, cols := c.Grid()
	return rows * cols
}

// Protected is the number of leading tokens that are no patches: the class token, and the
// distillation token.
func (c Config) Protected() int {
	switch {
	case c.Distilled:
		return 2
	case c.NoClassToken:
		return 0
	}
	return 1
}

// Tokens is the number of tokens that enter the first block.
func (c Config) Tokens() int { return c.Patches() + c.Protected() }

// Hidden is the width of the MLP.
func (c Config) Hidden() int { return int(float64(c.Dim) * c.MLPRatio) }

func (c Config) stemDim() int {
	if c.StemDim == 0 {
		return 64
	}
	return c.StemDim
}

func (c Config) normEpsilon() float64 {
	if c.NormEpsilon == 0 {
		return 1e-6
	}
	return c.NormEpsilon
}

func (c Config) residualScale() float64 {
	if c.ResidualScale == 0 {
		return 1
	}
	return c.ResidualScale
}
