package ablation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
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
	if err := decode(text, &g); err != nil {
		return Grid{}, err
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
	if err := decode(text, (*plain)(m)); err != nil {
		return err
	}
	if len(m.Fusion) == 0 {
		return fmt.Errorf(`ablation: method %s: give "fusion", a SPEC such as "mctf:r=4" or FUSION.json`, text)
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
	return decode(text, out)
}

func isWord(text []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(text), []byte(`"`)) }

// decode reads one JSON object into a struct, and refuses fields that it does not have. Numbers under
// `any` stay as they are written.
func decode(text []byte, out any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	err := decoder.Decode(out)
	if err == nil {
		if _, end := decoder.Token(); !errors.Is(end, io.EOF) {
			return errors.New("ablation: something follows the grid")
		}
		return nil
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Errorf("ablation: unknown field %s: known are %s", name, strings.Join(fieldNames(out), ", "))
	}
	if strings.HasPrefix(err.Error(), "ablation: ") { // of a part of the grid
		return err
	}
	return fmt.Errorf("ablation: not a grid: %s", strings.TrimPrefix(err.Error(), "json: "))
}

func fieldNames(out any) (names []string) {
	for field := range reflect.TypeOf(out).Elem().Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}
