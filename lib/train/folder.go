package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/vit"
	"tokenfuse/lib/weights"
)

// folder is where a run lives: recipe.json, checkpoint.safetensors (every variable of model and
// optimiser, written whole or not at all) and log.jsonl, a line per epoch.
type folder struct {
	dir     string
	logFile *os.File
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
		if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
			return nil, fmt.Errorf("train: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("train: %w", err)
	default:
		var there Recipe
		if err := json.Unmarshal(data, &there); err != nil {
			return nil, fmt.Errorf("train: %s: %w", path, err)
		}
		if !reflect.DeepEqual(there, r) {
			return nil, fmt.Errorf("train: %s holds a run of another recipe: train into another folder, or remove it", dir)
		}
	}
	logFile, err := os.OpenFile(filepath.Join(dir, "log.jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	return &folder{dir: dir, logFile: logFile}, nil
}

func (f *folder) close() { f.logFile.Close() }

// log appends a line to log.jsonl.
func (f *folder) log(p Progress) error {
	line, err := json.Marshal(map[string]any{"step": p.Step, "epoch": p.Epoch, "loss": p.Loss, "accuracy_top1": p.Accuracy})
	if err != nil {
		return err
	}
	if _, err := f.logFile.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}

func (f *folder) checkpoint() string { return filepath.Join(f.dir, "checkpoint.safetensors") }

// save writes every variable, the optimiser's too, with the number of steps done.
func (f *folder) save(m *vit.Model, step int) error {
	all := map[string]*tensors.Tensor{}
	for v := range m.Store().IterVariables() {
		value, err := v.Value()
		if err != nil {
			return fmt.Errorf("train: variable %s: %w", v.Path(), err)
		}
		all[v.Path()] = value
	}
	return weights.Write(f.checkpoint(), &weights.File{Tensors: all, Metadata: map[string]string{"step": strconv.Itoa(step)}})
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
	if step, err = strconv.Atoi(file.Metadata["step"]); err != nil {
		return 0, fmt.Errorf("train: %s does not say its step: remove it to start over", f.checkpoint())
	}
	for path, value := range file.Tensors {
		if v := m.Store().GetVariable(path); v != nil {
			if !v.Shape().Equal(value.Shape()) {
				return 0, fmt.Errorf("train: %s: %s is %s, want %s", f.checkpoint(), path, value.Shape(), v.Shape())
			}
			if err := v.SetValue(value); err != nil {
				return 0, fmt.Errorf("train: %s: %w", path, err)
			}
			continue
		}
		if !strings.HasPrefix(path, "/") {
			return 0, fmt.Errorf("train: %s holds %q, which is no variable", f.checkpoint(), path)
		}
		v, err := m.Store().CreateVariable(path, value)
		if err != nil {
			return 0, fmt.Errorf("train: %s: %w", path, err)
		}
		v.SetTrainable(false)
	}
	return step, nil
}
