package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"tokenfuse/datasets"
	"tokenfuse/lib/fusion"
)

// Recipe is everything that decides a training run, as JSON.
type Recipe struct {
	Model          string          `json:"model"`
	Dataset        string          `json:"dataset"` // "fashion-mnist"
	Epochs         int             `json:"epochs"`
	BatchSize      int             `json:"batch_size"`
	LearningRate   float64         `json:"learning_rate"` // highest, falling to 0 by a cosine
	WarmUpEpochs   float64         `json:"warm_up_epochs"`
	WeightDecay    float64         `json:"weight_decay"`
	LabelSmoothing float64         `json:"label_smoothing"`
	Crop           int             `json:"crop"`             // pixels by which images shift
	Flip           bool            `json:"flip"`             // left to right
	Erase          float64         `json:"erase"`            // probability of random erasing
	Mixup          float64         `json:"mixup,omitempty"`  // strength of mixup, DeiT's is 0.8
	CutMix         float64         `json:"cutmix,omitempty"` // strength of cutmix, DeiT's is 1
	Seed           int64           `json:"seed"`
	InitialWeights string          `json:"initial_weights,omitempty"` // safetensors to go on from instead of random weights
	Fusion         json.RawMessage `json:"fusion,omitempty"`          // FUSION.json, in training too
}

// FashionMNIST trains vit_fmnist_patch4_28, the model that comes with Tokenfuse.
func FashionMNIST() Recipe {
	return Recipe{
		Model: "vit_fmnist_patch4_28", Dataset: "fashion-mnist", Epochs: 16, BatchSize: 64,
		LearningRate: 2e-3, WarmUpEpochs: 1, WeightDecay: 0.05, LabelSmoothing: 0.05,
		Flip: true, Seed: 1,
	}
}

// ParseRecipe reads a recipe; fields left out take FashionMNIST's values, an unknown field is an
// error.
func ParseRecipe(data []byte) (Recipe, error) {
	r := FashionMNIST()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return r, fmt.Errorf("train: recipe: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, end := decoder.Token(); !errors.Is(end, io.EOF) {
		return r, fmt.Errorf("train: something follows the recipe")
	}
	return r, r.Validate()
}

// Validate reports the first setting with which nothing can be trained.
func (r Recipe) Validate() error {
	within := func(name string, v, low, high float64) error {
		if !(v >= low && v <= high) {
			return fmt.Errorf("train: %s is %v, want %v to %v", name, v, low, high)
		}
		return nil
	}
	if err := datasets.CheckName(r.Dataset); err != nil {
		return err
	}
	_, err := r.method()
	return errors.Join(err,
		within("epochs", float64(r.Epochs), 1, 1e6),
		within("batch_size", float64(r.BatchSize), 1, 1e6),
		within("learning_rate", r.LearningRate, 1e-20, 100),
		within("warm_up_epochs", r.WarmUpEpochs, 0, float64(r.Epochs)),
		within("weight_decay", r.WeightDecay, 0, 100),
		within("label_smoothing", r.LabelSmoothing, 0, 1),
		within("crop", float64(r.Crop), 0, 1e4),
		within("erase", r.Erase, 0, 1),
		within("mixup", r.Mixup, 0, 100),
		within("cutmix", r.CutMix, 0, 100))
}

func (r Recipe) method() (fusion.Method, error) {
	if len(r.Fusion) == 0 {
		return fusion.None{}, nil
	}
	return fusion.ParseJSON(r.Fusion)
}

func (r Recipe) order(start int) datasets.Order {
	return datasets.Order{
		BatchSize: r.BatchSize, Shuffle: true, Seed: uint64(r.Seed), DropRemainder: true, Endless: true, Start: start,
		Augment: datasets.Augmentation{Crop: r.Crop, Flip: r.Flip, Erase: r.Erase,
			Mix: datasets.Mix{Mixup: r.Mixup, CutMix: r.CutMix}},
	}
}
