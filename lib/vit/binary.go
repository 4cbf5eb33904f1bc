package vit

import (
	"encoding/json"
	"fmt"

	"tokenfuse/lib/weights"
)

// MarshalBinary returns the model as one safetensors file: its weights, what its file held beside them,
// and in the metadata its name and configuration. notebook.Keep keeps models by it.
func (m *Model) MarshalBinary() ([]byte, error) {
	all, err := m.Weights()
	if err != nil {
		return nil, err
	}
	for name, t := range m.unknown {
		if _, ok := all[name]; !ok {
			all[name] = t
		}
	}
	config, err := json.Marshal(m.Config)
	if err != nil {
		return nil, fmt.Errorf("vit: configuration: %w", err)
	}
	return (&weights.File{Tensors: all, Metadata: map[string]string{"name": m.Name, "config": string(config)}}).MarshalBinary()
}

// UnmarshalBinary makes m the model that MarshalBinary wrote.
func (m *Model) UnmarshalBinary(data []byte) error {
	var file weights.File
	if err := file.UnmarshalBinary(data); err != nil {
		return err
	}
	var c Config
	if err := json.Unmarshal([]byte(file.Metadata["config"]), &c); err != nil {
		return fmt.Errorf("vit: a safetensors file without a model's configuration: %w", err)
	}
	read, _, err := FromTensors(file.Metadata["name"], c, file.Tensors)
	if err != nil {
		return err
	}
	*m = *read
	return nil
}
