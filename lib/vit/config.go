package vit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Config is the shape of a Vision Transformer, and CONFIG.json.
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
}

// ImageSize is height and width in pixels; in JSON one number stands for a square.
type ImageSize struct{ Height, Width int }

// UnmarshalJSON reads 224 or [height, width].
func (s *ImageSize) UnmarshalJSON(data []byte) error {
	var side int
	if err := json.Unmarshal(data, &side); err == nil {
		*s = ImageSize{side, side}
		return nil
	}
	var both []int
	if err := json.Unmarshal(data, &both); err != nil || len(both) != 2 {
		return fmt.Errorf("image_size is %s, want a number or [height, width]", data)
	}
	*s = ImageSize{both[0], both[1]}
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (s ImageSize) MarshalJSON() ([]byte, error) {
	if s.Height == s.Width {
		return json.Marshal(s.Height)
	}
	return json.Marshal([]int{s.Height, s.Width})
}

func (s ImageSize) String() string { return fmt.Sprintf("%dx%d", s.Height, s.Width) }

// ParseConfig reads CONFIG.json. `mlp_ratio` (4), `channels` (3) and `distilled` (false) may be left
// out; an unknown field is an error that names it and the known ones.
func ParseConfig(data []byte) (Config, error) {
	c := Config{Channels: 3, MLPRatio: 4}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return c, fmt.Errorf("vit: unknown field %s: known are image_size, patch_size, channels, dim, depth, heads, mlp_ratio, classes, distilled", name)
		}
		return c, fmt.Errorf("vit: model configuration: %w", err)
	}
	if _, end := decoder.Token(); !errors.Is(end, io.EOF) {
		return c, fmt.Errorf("vit: something follows the model configuration")
	}
	return c, c.Validate()
}

// Validate reports the first setting that no model can have.
func (c Config) Validate() error {
	for _, f := range []struct {
		name  string
		value int
	}{
		{"image_size", min(c.ImageSize.Height, c.ImageSize.Width)}, {"patch_size", c.PatchSize}, {"channels", c.Channels},
		{"dim", c.Dim}, {"depth", c.Depth}, {"heads", c.Heads}, {"classes", c.Classes},
	} {
		const most = 1 << 20
		if f.value < 1 || f.value > most {
			return fmt.Errorf("vit: %s is %d, want 1 or more", f.name, f.value)
		}
	}
	switch {
	case c.ImageSize.Height%c.PatchSize != 0 || c.ImageSize.Width%c.PatchSize != 0:
		return fmt.Errorf("vit: images of %s do not divide into patches of %d", c.ImageSize, c.PatchSize)
	case c.Dim%c.Heads != 0:
		return fmt.Errorf("vit: dim %d does not divide into %d heads", c.Dim, c.Heads)
	case !(c.MLPRatio > 0) || c.Hidden() < 1:
		return fmt.Errorf("vit: mlp_ratio is %v, want above 0", c.MLPRatio)
	}
	return nil
}

// Grid returns the rows and columns of patches.
func (c Config) Grid() (rows, cols int) {
	return c.ImageSize.Height / c.PatchSize, c.ImageSize.Width / c.PatchSize
}

// Protected is the number of leading tokens that are no patches: the class token, and the
// distillation token.
func (c Config) Protected() int {
	if c.Distilled {
		return 2
	}
	return 1
}

// Tokens is the number of tokens that enter the first block.
func (c Config) Tokens() int {
	rows, cols := c.Grid()
	return rows*cols + c.Protected()
}

// Hidden is the width of the MLP.
func (c Config) Hidden() int { return int(float64(c.Dim) * c.MLPRatio) }
