package vit

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"tokenfuse/lib/weights"
)

// Model is a configuration and its weights.
type Model struct {
	Name   string
	Config Config
	store  *model.Store

	unknown map[string]*tensors.Tensor // what the model's file held beside its weights
	learned []string                   // names of the weights of fusion methods in the store
}

// New returns an untrained model of a configuration; the same seed gives the same weights.
func New(c Config, seed int64) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return assemble("untrained", c, c.initial(seed))
}

// FromFile returns a model with the weights of a safetensors file under timm's names. Tensors that
// are missing or of another shape are an error that lists them; unexpected returns the names of
// those that the model does not know.
func FromFile(name string, c Config, path string) (m *Model, unexpected []string, err error) {
	file, err := weights.Read(path)
	if err != nil {
		return nil, nil, err
	}
	m, unexpected, err = FromTensors(name, c, file.Tensors)
	if err != nil {
		err = fmt.Errorf("%w (in %s)", err, path)
	}
	return m, unexpected, err
}

// FromTensors is FromFile for tensors in memory.
//
// A position embedding of another image size is resampled to the configuration's, as timm does
// (bicubic, with antialiasing), so that any checkpoint serves any image size. PyTorch's counts of
// batches (num_batches_tracked) are passed over.
func FromTensors(name string, c Config, all map[string]*tensors.Tensor) (m *Model, unexpected []string, err error) {
	if err := c.Validate(); err != nil {
		return nil, nil, err
	}
	mine := map[string]*tensors.Tensor{}
	var missing, shapes []string
	for name, dims := range c.Parameters() {
		t, ok := all[name]
		if ok && name == "pos_embed" {
			fitted, err := fitPositions(c, t)
			if err != nil {
				shapes = append(shapes, err.Error())
				continue
			}
			t = fitted
		}
		switch {
		case !ok:
			missing = append(missing, name)
		case !slices.Equal(t.Shape().Dimensions, dims):
			shapes = append(shapes, fmt.Sprintf("%s is %v, want %v", name, t.Shape().Dimensions, dims))
		default:
			mine[name] = t
		}
	}
	if len(missing)+len(shapes) > 0 {
		return nil, nil, mismatch(missing, shapes)
	}
	for name := range all {
		if _, known := mine[name]; !known && !strings.HasSuffix(name, ".num_batches_tracked") {
			unexpected = append(unexpected, name)
		}
	}
	slices.Sort(unexpected)
	if m, err = assemble(name, c, mine); err != nil {
		return nil, nil, err
	}
	for _, name := range unexpected {
		m.unknown[name] = all[name]
	}
	return m, unexpected, nil
}

// mismatch says in one line which weights do not fit.
func mismatch(missing, shapes []string) error {
	var parts []string
	if len(missing) > 0 {
		parts = append(parts, fmt.Sprintf("%d missing: %s", len(missing), strings.Join(missing, ", ")))
	}
	if len(shapes) > 0 {
		parts = append(parts, fmt.Sprintf("%d of another shape: %s", len(shapes), strings.Join(shapes, "; ")))
	}
	return fmt.Errorf("vit: the weights do not fit the model: %s", strings.Join(parts, "; "))
}

func assemble(name string, c Config, all map[string]*tensors.Tensor) (*Model, error) {
	m := &Model{Name: name, Config: c, store: model.NewStore(), unknown: map[string]*tensors.Tensor{}}
	for name := range c.Parameters() {
		v, err := m.store.CreateVariable(variablePath(name), all[name])
		if err != nil {
			return nil, fmt.Errorf("vit: weight %s: %w", name, err)
		}
		v.SetTrainable(!c.fixed(name))
	}
	return m, nil
}

// Store returns the model's variables, for training.
func (m *Model) Store() *model.Store { return m.store }

// Weights returns the weights under timm's names, with those that fusion methods learned.
func (m *Model) Weights() (map[string]*tensors.Tensor, error) {
	all := map[string]*tensors.Tensor{}
	names := slices.Clone(m.learned)
	for name := range m.Config.Parameters() {
		names = append(names, name)
	}
	for _, name := range names {
		value, err := m.store.GetVariable(variablePath(name)).Value()
		if err != nil {
			return nil, fmt.Errorf("vit: weight %s: %w", name, err)
		}
		all[name] = value
	}
	return all, nil
}

// Save writes the weights as safetensors with the metadata given, whole or not at all.
func (m *Model) Save(path string, metadata map[string]string) error {
	all, err := m.Weights()
	if err != nil {
		return err
	}
	return weights.Write(path, &weights.File{Tensors: all, Metadata: maps.Clone(metadata)})
}

// Load returns a trained model by name: those that come with Tokenfuse, such as
// "vit_fmnist_patch4_28".
func Load(name string) (*Model, error) {
	c, err := ConfigOf(name)
	if err != nil {
		return nil, err
	}
	data, err := trained.ReadFile("trained/" + name + ".safetensors")
	if err != nil {
		if os.IsNotExist(err) {
			return nil, fmt.Errorf("vit: no trained weights of %s come with Tokenfuse: load its checkpoint with vit.FromFile", name)
		}
		return nil, err
	}
	file, err := weights.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("vit: %s: %w", name, err)
	}
	m, _, err := FromTensors(name, c, file.Tensors)
	return m, err
}
