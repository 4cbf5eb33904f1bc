package vit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"tokenfuse/lib/internal/strictjson"
)

// ParseConfig reads CONFIG.json. Required are `image_size`, `patch_size`, `dim`, `depth`, `heads` and
// `classes`; the others may be left out: `mlp_ratio` (4), `channels` (3), `distilled` (false), and for
// what is no plain ViT
//
//   - `stem`: "patch", or "t2t_performer", "t2t_transformer", "convolution"; `stem_dim` (64);
//   - `class_token` (true) and `pooling`: "class", or "average" over the patches;
//   - `qkv_bias` (true), `norm_epsilon` (1e-6), `residual_scale` (1), `token_labels` (false);
//   - `dtype`: "float32", or "bfloat16", "float16" for products in half precision.
//
// An unknown field or value is an error that names it and the known ones.
func ParseConfig(data []byte) (Config, error) {
	var c Config
	if err := c.decode(data, strictjson.Decode); err != nil {
		return c, err
	}
	return c, c.Validate()
}

// fields is CONFIG.json; what is on by default is a pointer here and a negation in Config.
type fields struct {
	plain
	ClassToken *bool `json:"class_token,omitempty"`
	QKVBias    *bool `json:"qkv_bias,omitempty"`
}

// plain is Config without its methods.
type plain Config

// UnmarshalJSON reads what ParseConfig reads, without asking whether such a model can be.
func (c *Config) UnmarshalJSON(data []byte) error { return c.decode(data, strictjson.DecodePart) }

func (c *Config) decode(data []byte, decode func([]byte, any) error) error {
	in := fields{plain: plain{Channels: 3, MLPRatio: 4}}
	if err := decode(data, &in); err != nil {
		return fmt.Errorf("vit: model configuration: %w", err)
	}
	*c = Config(in.plain)
	c.NoClassToken = in.ClassToken != nil && !*in.ClassToken
	c.NoQKVBias = in.QKVBias != nil && !*in.QKVBias
	c.normalise()
	return nil
}

// MarshalJSON writes CONFIG.json; optional fields only where they are not the default.
func (c Config) MarshalJSON() ([]byte, error) {
	c.normalise()
	out := fields{plain: plain(c)}
	off := false
	if c.NoClassToken {
		out.ClassToken = &off
	}
	if c.NoQKVBias {
		out.QKVBias = &off
	}
	return json.Marshal(out)
}

// normalise makes defaults that are spelt out the zero values, so that equal models are equal values.
func (c *Config) normalise() {
	if c.Stem == "patch" {
		c.Stem = PatchStem
	}
	if c.Pooling == "class" {
		c.Pooling = ClassPooling
	}
	if c.DType == "float32" {
		c.DType = Float32
	}
	if c.StemDim == new(Config).stemDim() {
		c.StemDim = 0
	}
	if c.NormEpsilon == new(Config).normEpsilon() {
		c.NormEpsilon = 0
	}
	if c.ResidualScale == 1 {
		c.ResidualScale = 0
	}
}

// ParseImageSize reads 224, or 224x192: height and width.
func ParseImageSize(text string) (ImageSize, error) {
	first, second, both := strings.Cut(text, "x")
	if !both {
		second = first
	}
	height, err := strconv.Atoi(first)
	width, err2 := strconv.Atoi(second)
	if errors.Join(err, err2) != nil {
		return ImageSize{}, fmt.Errorf("vit: image size %q: want a number, or HEIGHTxWIDTH", text)
	}
	return ImageSize{height, width}, nil
}

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
