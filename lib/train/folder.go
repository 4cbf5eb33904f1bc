package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"tokenfuse/lib/result"
	"tokenfuse/lib/vit"
	"tokenfuse/lib/weights"
	"tokenfuse/lib/whole"
)

// folder is where a run lives: recipe.json, checkpoint.safetensors (every variable of model, optimiser and
// average, written whole or not at all) and log.jsonl. What is drawn at random depends on the seed and
// the step, so that there is nothing else to keep.
type folder struct {
	dir     string
	logFile *os.File
	logged  []result.TrainingRow // what log.jsonl holds
}

// openFolder makes a run's folder, or finds it again; a folder that holds a run of another recipe is
// refused.
func openFolder(dir string, r Recipe) (*folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	path := filepath.Join(dir, "recipe.json")
	switch data, err := os.ReadFile(path); {
	case errors.Is(err, fs.ErrNotExist):
		data, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return nil, err
		}
		if err := whole.WriteFile(path, append(data, '\n'), 0o644); err != nil {
			return nil, fmt.Errorf("train: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("train: %w", err)
	default:
		var there Recipe
		if err := json.Unmarshal(data, &there); err != nil {
			return nil, fmt.Errorf("train: %s: %w", path, err)
		}
		same, err := equal(there, r)
		if err != nil {
			return nil, err
		}
		if !same {
			return nil, fmt.Errorf("train: %s holds a run of another recipe: train into another folder, or remove it", dir)
		}
	}
	return &folder{dir: dir}, nil
}

// equal compares recipes as JSON, since that of the fusion is kept as it was written.
func equal(a, b Recipe) (bool, error) {
	first, err := json.Marshal(a)
	if err != nil {
		return false, err
	}
	second, err := json.Marshal(b)
	return bytes.Equal(first, second), err
}

func (f *folder) close() {
	if f.logFile != nil {
		f.logFile.Close()
	}
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folder) checkpoint() string { return f.path("checkpoint.safetensors") }

// save writes every variable, the optimiser's too, with the number of steps done and the order of the
// variables: it decides that of a graph's parameters, and so whether a graph is the one that was compiled.
func (f *folder) save(m *vit.Model, step int) error {
	all := map[string]*tensors.Tensor{}
	var order []string
	for v := range m.Store().IterVariables() {
		value, err := v.Value()
		if err != nil {
			return fmt.Errorf("train: variable %s: %w", v.Path(), err)
		}
		all[v.Path()] = value
		order = append(order, v.Path())
	}
	metadata := map[string]string{"step": strconv.Itoa(step), "order": strings.Join(order, " ")}
	if err := weights.Write(f.checkpoint(), &weights.File{Tensors: all, Metadata: metadata}); err != nil {
		return fmt.Errorf("train: the checkpoint could not be written, the one before it is kept: %w", err)
	}
	return nil
}

// resume puts the last checkpoint's variables into the model's store and returns the number of steps
// done, 0 where there is no checkpoint.
func (f *folder) resume(m *vit.Model) (step int, err error) {
	file, err := weights.Read(f.checkpoint())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if step, err = strconv.Atoi(file.Metadata["step"]); err != nil || step < 0 {
		return 0, fmt.Errorf("train: %s does not say its step: remove it to start over", f.checkpoint())
	}
	order := strings.Fields(file.Metadata["order"])
	if len(order) == 0 {
		order = slices.Sorted(maps.Keys(file.Tensors))
	}
	for _, path := range order {
		value, ok := file.Tensors[path]
		if !ok {
			return 0, fmt.Errorf("train: %s lacks %s: remove it to start over", f.checkpoint(), path)
		}
		if err := f.put(m.Store(), path, value); err != nil {
			return 0, err
		}
	}
	return step, nil
}

// put gives a variable its value, and makes it where there is none: the optimiser's are made by its graph.
func (f *folder) put(store *model.Store, path string, value *tensors.Tensor) error {
	if v := store.GetVariable(path); v != nil {
		if !v.Shape().Equal(value.Shape()) {
			return fmt.Errorf("train: %s: %s is %s, want %s", f.checkpoint(), path, value.Shape(), v.Shape())
		}
		if err := v.SetValue(value); err != nil {
			return fmt.Errorf("train: %s: %w", path, err)
		}
		return nil
	}
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("train: %s holds %q, which is no variable", f.checkpoint(), path)
	}
	v, err := store.CreateVariable(path, value)
	if err != nil {
		return fmt.Errorf("train: %s: %w", path, err)
	}
	v.SetTrainable(false)
	return nil
}
