package ablation

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/result"
	"tokenfuse/lib/vit"
)

// Cell is one experiment of a grid: a model with its weights, under a method, on data.
type Cell struct {
	// Key is the SHA-256, in hex, of what the result depends on, as JSON with sorted fields:
	//
	//   - model: CONFIG.json, and weights: the SHA-256 of the file's content (not its name), or the name of
	//     the model whose own they are, or the seed of untrained ones;
	//   - fusion: FUSION.json as the method writes it, defaults filled in; target, where the setting was found for one;
	//   - data: as in the grid; of a source in memory, its name, split, number and content (of what does
	//     not say its SHA256, the labels);
	//   - seed.
	//
	// So the order and the spelling of a grid do not matter. Not in it, because they should not matter:
	// labels, the size of batches, the backend and the machine.
	Key    string
	Model  string // its label
	Config vit.Config
	Fusion json.RawMessage
	Method fusion.Method
	Label  string // of the method; empty for the base model
	Target string
	Data   GridData
	Seed   int64
	// Misfit is why no setting meets the target.
	Misfit error

	model   GridModel
	weights string // the file, with the seed in its name
	source  string // what the key knows of the weights
	images  string // what the key knows of the data, as JSON
}

// String names the cell for people; what is not said the beginning of the key tells apart.
func (c Cell) String() string {
	row := result.Row{Fusion: c.Fusion}
	parts := []string{c.Key[:12], c.Model, orLabel(c.Label, c.Method.Name()), row.Setting()}
	if c.Target != "" {
		parts = append(parts, "at "+c.Target)
	}
	parts = append(parts, "on "+c.Data.String(), fmt.Sprintf("seed %d", c.Seed))
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), " ")
}

// Cells returns the experiments of a grid, each once, in an order that lets what follows share what is
// loaded and compiled: by model, seed, setting, data. It reads files of weights, for the keys; what a
// user must mend in the grid or its files is an error.
func (g Grid) Cells() ([]Cell, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	images := make([]string, len(g.Data))
	for i, data := range g.Data {
		text, err := json.Marshal(data.identity())
		if err != nil {
			return nil, fmt.Errorf("ablation: %w", err)
		}
		images[i] = string(text)
	}
	var cells []Cell
	seen := map[string]bool{}
	for _, m := range g.Models {
		base := Cell{model: m, Model: m.Label}
		if err := base.configure(); err != nil {
			return nil, err
		}
		plans, err := g.plans(m, base.Config)
		if err != nil {
			return nil, err
		}
		for _, seed := range g.seeds() {
			withSeed := base
			if err := withSeed.weigh(seed); err != nil {
				return nil, err
			}
			for _, plan := range plans {
				cell := withSeed
				cell.Seed = g.seeds()[0]
				if cell.usesSeed() || plan.seeded {
					cell.Seed = seed
				}
				if err := cell.adopt(plan); err != nil {
					return nil, err
				}
				for i, data := range g.Data {
					cell.Data, cell.images = data, images[i]
					if err := cell.sign(); err != nil {
						return nil, err
					}
					if !seen[cell.Key] {
						seen[cell.Key] = true
						cells = append(cells, cell)
					}
				}
			}
		}
	}
	return cells, nil
}

// configure reads the model's configuration.
func (c *Cell) configure() (err error) {
	if m := c.model.Value; m != nil {
		c.Config, c.Model = m.Config, orLabel(c.Model, m.Name)
		return nil
	}
	if !strings.HasSuffix(c.model.Model, ".json") {
		c.Model = orLabel(c.Model, c.model.Model)
		c.Config, err = vit.ConfigOf(c.model.Model)
		return err
	}
	text, err := os.ReadFile(c.model.Model)
	if err != nil {
		return fmt.Errorf("ablation: model: %w", err)
	}
	if c.Config, err = vit.ParseConfig(text); err != nil {
		return fmt.Errorf("%w (in %s)", err, c.model.Model)
	}
	c.Model = orLabel(c.Model, strings.TrimSuffix(filepath.Base(c.model.Model), ".json"))
	if c.model.Weights == "" {
		return fmt.Errorf(`ablation: %s comes without weights: give "weights", a file or %q`, c.model.Model, Untrained)
	}
	return nil
}

// usesSeed reports whether the weights depend on the seed.
func (c *Cell) usesSeed() bool {
	return c.model.Value == nil && (c.model.Weights == Untrained || strings.Contains(c.model.Weights, seedPlace))
}

// weigh finds out which weights they are.
func (c *Cell) weigh(seed int64) error {
	var sum []byte
	var err error
	switch {
	case c.model.Value != nil:
		sum, err = sumOfModel(c.model.Value)
	case c.model.Weights == "":
		c.source = "own of " + c.model.Model
		return nil
	case c.model.Weights == Untrained:
		c.source = fmt.Sprintf("untrained, seed %d", seed)
		return nil
	default:
		c.weights = strings.ReplaceAll(c.model.Weights, seedPlace, fmt.Sprint(seed))
		sum, err = sumOfFile(c.weights)
	}
	c.source = "sha256 " + hex.EncodeToString(sum)
	return err
}

func sumOfFile(path string) ([]byte, error) {
	// Nobody waits for the end of a device that somebody's grid names.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("ablation: weights: %s is not a file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("ablation: weights: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return nil, fmt.Errorf("ablation: weights: %w", err)
	}
	return sum.Sum(nil), nil
}

func sumOfModel(m *vit.Model) ([]byte, error) {
	all, err := m.Weights()
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(sum, "%s %s\n", name, all[name].Shape())
		if err := binary.Write(sum, binary.LittleEndian, tensors.MustCopyFlatData[float32](all[name])); err != nil {
			return nil, fmt.Errorf("ablation: weight %s: %w", name, err)
		}
	}
	return sum.Sum(nil), nil
}

// sign computes the key.
func (c *Cell) sign() error {
	text, err := json.Marshal(map[string]any{
		"model": c.Config, "weights": c.source, "fusion": c.Fusion, "target": c.Target, "data": json.RawMessage(c.images), "seed": c.Seed,
	})
	if err != nil {
		return fmt.Errorf("ablation: %w", err)
	}
	// Once more through a map, so that the order of fields in Go's types is not part of the key.
	var sorted any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&sorted); err != nil {
		return fmt.Errorf("ablation: %w", err)
	}
	if text, err = json.Marshal(sorted); err != nil {
		return fmt.Errorf("ablation: %w", err)
	}
	sum := sha256.Sum256(text)
	c.Key = hex.EncodeToString(sum[:])
	return nil
}

func orLabel(label, otherwise string) string {
	if label != "" {
		return label
	}
	return otherwise
}
