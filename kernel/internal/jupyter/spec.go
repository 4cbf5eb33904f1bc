package jupyter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tokenfuse/lib/whole"
)

// Spec is a kernelspec, the contents of a kernel.json: how a Jupyter client starts a kernel.
type Spec struct {
	// Argv is the command line; "{connection_file}" in it stands for the connection file's path.
	Argv []string `json:"argv"`
	// Env is set on top of the client's own environment, whose variables ${NAME} stand for.
	Env           map[string]string `json:"env,omitempty"`
	DisplayName   string            `json:"display_name"`
	Language      string            `json:"language"`
	InterruptMode string            `json:"interrupt_mode,omitempty"`
	Metadata      map[string]any    `json:"metadata,omitempty"`
}

// ReadSpec reads the kernel.json of a kernelspec folder.
func ReadSpec(dir string) (Spec, error) {
	path := filepath.Join(dir, "kernel.json")
	content, err := os.ReadFile(path)
	if err != nil {
		return Spec{}, err
	}
	var spec Spec
	if err := json.Unmarshal(content, &spec); err != nil {
		return Spec{}, fmt.Errorf("kernelspec %q: %w", path, err)
	}
	if len(spec.Argv) == 0 {
		return Spec{}, fmt.Errorf("kernelspec %q: argv is empty: run go run ./kernel setup", path)
	}
	return spec, nil
}

// WriteFile writes the spec as dir/kernel.json, whole or not at all, making the folder if needed.
func (s Spec) WriteFile(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(s); err != nil {
		return err
	}
	return whole.WriteFile(filepath.Join(dir, "kernel.json"), content.Bytes(), 0o644)
}

// Environ returns base, a list of NAME=value as of os.Environ, with the spec's Env on top. As in
// Jupyter, ${NAME} in a value stands for base's value, and stays as it is where base has none.
func (s Spec) Environ(base []string) []string {
	values := make(map[string]string, len(base))
	for _, entry := range base {
		if name, value, ok := strings.Cut(entry, "="); ok {
			values[name] = value
		}
	}
	merged := maps.Clone(values)
	for name, value := range s.Env {
		merged[name] = os.Expand(value, func(variable string) string {
			if known, ok := values[variable]; ok {
				return known
			}
			return "${" + variable + "}"
		})
	}
	environ := make([]string, 0, len(merged))
	for _, name := range slices.Sorted(maps.Keys(merged)) {
		environ = append(environ, name+"="+merged[name])
	}
	return environ
}
