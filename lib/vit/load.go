package vit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/inputs"
	"tokenfuse/lib/weights"
)

// Model is a configuration and its weights.
type Model struct {
	Name   string
	Config Config
	store  *model.Store
	// building is held while a graph is built: building writes to the variables of the store, which all
	// classifiers of the model share.
	building *sync.Mutex
	backend  compute.Backend // where its weights are, once it was put to use

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

// FromFile returns a model with the weights of a safetensors file or a PyTorch checkpoint (see
// weights.Read) under timm's names. Tensors that are missing or of another shape or type are an error that lists
// them; unexpected returns the names of those that the model does not know.
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
	all, positions := withPositions(c, all)
	fit := weights.Compare(c.Parameters(), all)
	err = fit.Err()
	if positions != nil && len(fit.Missing) == 0 && len(fit.Reshaped)+len(fit.Retyped) < 2 {
		err = positions // alone, it says more
	}
	if err != nil {
		return nil, nil, fmt.Errorf("vit: the weights do not fit the model: %w", err)
	}
	unexpected = slices.DeleteFunc(fit.Unexpected, func(name string) bool { return strings.HasSuffix(name, ".num_batches_tracked") })
	if m, err = assemble(name, c, all); err != nil {
		return nil, nil, err
	}
	for _, name := range unexpected {
		m.unknown[name] = all[name]
	}
	return m, unexpected, nil
}

// withPositions replaces the position embedding by one that fits the configuration, if it can; if not,
// the error says why.
func withPositions(c Config, all map[string]*tensors.Tensor) (map[string]*tensors.Tensor, error) {
	embedding, ok := all["pos_embed"]
	if !ok {
		return all, nil
	}
	fitted, err := fitPositions(c, embedding)
	if err != nil {
		return all, err
	}
	all = maps.Clone(all)
	all["pos_embed"] = fitted
	return all, nil
}

func assemble(name string, c Config, all map[string]*tensors.Tensor) (*Model, error) {
	m := &Model{Name: name, Config: c, store: model.NewStore(), unknown: map[string]*tensors.Tensor{}, building: new(sync.Mutex)}
	for name := range c.Parameters() {
		v, err := m.store.CreateVariable(variablePath(name), all[name])
		if err != nil {
			return nil, fmt.Errorf("vit: weight %s: %w", name, err)
		}
		v.SetTrainable(!c.fixed(name))
	}
	return m, nil
}

// settle says where the weights are to be. Once there, they cannot serve another backend.
func (m *Model) settle(backend compute.Backend) error {
	m.building.Lock()
	defer m.building.Unlock()
	if m.backend != nil && m.backend != backend {
		return fmt.Errorf("vit: the weights of %s are on another backend (%s): load the model once for each", m.Name, accel.Name(m.backend))
	}
	m.backend = backend
	return nil
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

// Load returns a trained model by name, such as "deit_small_patch16_224". Its weights are, the first
// that there are of:
//   - those that come with Tokenfuse ("vit_fmnist_patch4_28", "vit_cfmnist_patch4_48");
//   - a file in the folder that $TOKENFUSE_MODELS names: the official checkpoint under its official
//     name (deit_small_patch16_224-cd65a155.pth, as in PyTorch's own cache), NAME.safetensors or NAME.pth;
//   - the official checkpoint in the user's cache (os.UserCacheDir, tokenfuse/models), downloaded if it is
//     not there: resumed after an interruption, with progress on standard error, and checked against the
//     checksum of its authors, or, where they publish none, against that of the first download.
//
// ErrNoWeights is met when there are none.
func Load(name string, options ...LoadOption) (*Model, error) {
	c, err := ConfigOf(name)
	if err != nil {
		return nil, err
	}
	data, err := trained.ReadFile("trained/" + name + ".safetensors")
	if err != nil {
		return newSource(options).load(name, c)
	}
	file, err := weights.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("vit: %s: %w", name, err)
	}
	inputs.NoteContent(inputs.Weights, name, data)
	m, _, err := FromTensors(name, c, file.Tensors)
	return m, err
}
