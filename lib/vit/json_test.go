package vit

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestConfigJSON: what is written is what was read, and defaults that are spelt out make no other
// model.
func TestConfigJSON(t *testing.T) {
	const plain = `{"image_size":64,"patch_size":16,"channels":3,"dim":48,"depth":4,"heads":3,"mlp_ratio":4,"classes":10,"distilled":false`
	for name, c := range map[string]struct{ text, written string }{
		"plain":      {plain + `}`, plain + `}`},
		"spelt out":  {plain + `,"stem":"patch","stem_dim":64,"class_token":true,"pooling":"class","qkv_bias":true,"norm_epsilon":1e-6,"residual_scale":1,"token_labels":false}`, plain + `}`},
		"average":    {plain + `,"pooling":"average","class_token":false}`, plain + `,"pooling":"average","class_token":false}`},
		"T2T":        {plain + `,"stem":"t2t_performer","stem_dim":16,"norm_epsilon":1e-5,"qkv_bias":false}`, plain + `,"stem":"t2t_performer","stem_dim":16,"norm_epsilon":0.00001,"qkv_bias":false}`},
		"LV-ViT":     {plain + `,"stem":"convolution","residual_scale":2,"token_labels":true}`, plain + `,"stem":"convolution","residual_scale":2,"token_labels":true}`},
		"image size": {strings.Replace(plain, "64", "[64,32]", 1) + `}`, strings.Replace(plain, "64", "[64,32]", 1) + `}`},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := ParseConfig([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			written, err := json.Marshal(config)
			if err != nil {
				t.Fatal(err)
			}
			if string(written) != c.written {
				t.Errorf("%s, want %s", written, c.written)
			}
			again, err := ParseConfig(written)
			if err != nil || again != config {
				t.Errorf("read again as %+v (%v), want %+v", again, err, config)
			}
		})
	}
}

// TestConfigRefusals: each setting that makes no model is one line that names it and what it may be.
func TestConfigRefusals(t *testing.T) {
	const plain = `{"image_size":64,"patch_size":16,"dim":48,"depth":4,"heads":3,"classes":10`
	for name, c := range map[string]struct{ more, want string }{
		"unknown field":              {`,"qkv":true`, `unknown field "qkv": known are image_size, patch_size`},
		"unknown stem":               {`,"stem":"conv"`, `unknown stem "conv": known are patch, t2t_performer, t2t_transformer, convolution`},
		"unknown pooling":            {`,"pooling":"max"`, `unknown pooling "max": known are class, average`},
		"class pooling, no class":    {`,"class_token":false`, `pooling "class" needs a class token`},
		"average of distilled":       {`,"pooling":"average","distilled":true`, `distilled model has a head for each`},
		"distilled, no class":        {`,"class_token":false,"distilled":true`, `class_token cannot be false`},
		"token labels of an average": {`,"token_labels":true,"pooling":"average"`, `token_labels stand beside one class token`},
		"T2T of another patch":       {`,"stem":"t2t_performer","patch_size":8`, `patch_size is 8, want 16`},
		"half an odd patch":          {`,"stem":"convolution","patch_size":1`, `patch_size is 1, want an even one`},
		"unknown dtype":              {`,"dtype":"half"`, `unknown dtype "half": known are float32, bfloat16, float16`},
		"negative epsilon":           {`,"norm_epsilon":-1`, `norm_epsilon is -1`},
		"negative scale":             {`,"residual_scale":-2`, `residual_scale is -2`},
		"a depth of a million":       {`,"depth":1000000`, `depth is 1000000, want at most 1024`},
		"a trillion tokens":          {`,"image_size":1048576,"patch_size":1`, `are 1099511627777 tokens, want at most 1048576`},
		"more weights than any":      {`,"dim":1048575,"heads":1`, `weights, want at most`},
		"an MLP beyond counting":     {`,"mlp_ratio":1e300`, `mlp_ratio is 1e+300`},
		"negative stem":              {`,"stem_dim":-1`, `stem_dim is -1`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseConfig([]byte(plain + c.more + `}`))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v does not say %q in one line", err, c.want)
			}
		})
	}
}

// TestNames: names are unique, families stand together, each model can be built, and at another image
// size too.
func TestNames(t *testing.T) {
	seen, families := map[string]bool{}, map[string]bool{}
	last := ""
	for _, m := range Models() {
		if seen[m.Name] {
			t.Errorf("%s is there twice", m.Name)
		}
		seen[m.Name] = true
		if m.Family != last && families[m.Family] {
			t.Errorf("%s stands away from its family", m.Name)
		}
		families[m.Family], last = true, m.Family
		if m.Source == "" || len(m.Evaluation.Mean) != m.Config.Channels || len(m.Evaluation.Std) != m.Config.Channels {
			t.Errorf("%s has no source, or an evaluation of other channels", m.Name)
		}
		for _, c := range []Config{m.Config, m.Config.At(2*m.Config.ImageSize.Height, m.Config.ImageSize.Width)} {
			if err := c.Validate(); err != nil {
				t.Errorf("%s at %s: %v", m.Name, c.ImageSize, err)
			}
		}
	}
	// timm: floor(384 / 0.9) = 426, floor(224 / 0.9) = 248; DeiT: 224 / 0.875 = 256.
	for _, c := range []struct {
		crop       float64
		side, want int
	}{{0.9, 384, 426}, {0.9, 224, 248}, {0.875, 224, 256}, {1, 224, 224}, {0, 224, 0}} {
		if got := (Evaluation{Crop: c.crop}).Resize(ImageSize{c.side, c.side + 32}); got != c.want {
			t.Errorf("crop %v of %d resizes to %d, want %d", c.crop, c.side, got, c.want)
		}
	}
}
