package ablation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"gopkg.in/yaml.v3"

	"tokenfuse/lib/internal/strictjson"
)

// ReadGrid reads a grid from a file: YAML where its name ends in .yaml or .yml, else JSON.
func ReadGrid(path string) (Grid, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Grid{}, fmt.Errorf("ablation: grid: %w", err)
	}
	if strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml") {
		var value any
		if err := yaml.Unmarshal(text, &value); err != nil {
			return Grid{}, fmt.Errorf("ablation: %s: %s", path, strings.ReplaceAll(err.Error(), "\n", " "))
		}
		if text, err = json.Marshal(value); err != nil {
			return Grid{}, fmt.Errorf("ablation: %s: %w", path, err)
		}
	}
	grid, err := ParseGrid(text)
	if err != nil {
		return Grid{}, fmt.Errorf("%w (in %s)", err, path)
	}
	return grid, nil
}

// ParseGrid reads a grid from JSON. An unknown field is an error that names it and the known ones.
func ParseGrid(text []byte) (Grid, error) {
	var g Grid
	if err := strictjson.Decode(text, &g); err != nil {
		return Grid{}, fmt.Errorf("ablation: not a grid: %w", err)
	}
	return g, g.Validate()
}

// UnmarshalJSON reads the name of a model, or an object.
func (m *GridModel) UnmarshalJSON(text []byte) error {
	type plain GridModel
	return wordOr(text, &m.Model, (*plain)(m))
}

// UnmarshalJSON reads a SPEC, FUSION.json, or an object with "fusion".
func (m *GridMethod) UnmarshalJSON(text []byte) error {
	var head struct {
		Method *string `json:"method"`
	}
	if isWord(text) || json.Unmarshal(text, &head) == nil && head.Method != nil {
		m.Fusion = bytes.Clone(text)
		return nil
	}
	type plain GridMethod
	if err := strictjson.DecodePart(text, (*plain)(m)); err != nil {
		return err
	}
	if len(m.Fusion) == 0 {
		return fmt.Errorf(`method %s: give "fusion", a SPEC such as "mctf:r=4" or FUSION.json`, text)
	}
	return nil
}

// UnmarshalJSON reads the name of a dataset, or an object.
func (d *GridData) UnmarshalJSON(text []byte) error {
	type plain GridData
	return wordOr(text, &d.Dataset, (*plain)(d))
}

// wordOr reads a string into word, or an object into out.
func wordOr(text []byte, word *string, out any) error {
	if isWord(text) {
		return json.Unmarshal(text, word)
	}
	return strictjson.DecodePart(text, out)
}

func isWord(text []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(text), []byte(`"`)) }
