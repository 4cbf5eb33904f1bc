package train

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tokenfuse/datasets"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/internal/strictjson"
	"tokenfuse/lib/vit"
)

// Recipe is everything that decides a training run, as JSON.
type Recipe struct {
	Model          string          `json:"model"`
	Config         *vit.Config     `json:"config,omitempty"`          // CONFIG.json of a model that vit does not know by name
	Dataset        string          `json:"dataset"`                   // one that datasets.Open knows, or ImageNet
	InitialWeights string          `json:"initial_weights,omitempty"` // file to go on from instead of random weights, {seed} in its name standing for the seed; Pretrained: those of vit.Load
	Fusion         json.RawMessage `json:"fusion,omitempty"`          // FUSION.json, in training too
	Seed           int64           `json:"seed"`

	Epochs     int `json:"epochs"`
	BatchSize  int `json:"batch_size"`           // images of a step
	Accumulate int `json:"accumulate,omitempty"` // micro-batches in which a step's images are taken, to save memory

	LearningRate    float64 `json:"learning_rate"`               // highest, falling by a cosine
	MinLearningRate float64 `json:"min_learning_rate,omitempty"` // where it begins to rise from and falls to
	WarmUpEpochs    float64 `json:"warm_up_epochs"`
	WeightDecay     float64 `json:"weight_decay"`
	ClipNorm        float64 `json:"clip_norm,omitempty"` // largest norm of all gradients together; 0: any
	EMA             float64 `json:"ema,omitempty"`       // decay of the weights' moving average, which is then the result; 0: none

	LabelSmoothing  float64       `json:"label_smoothing"`
	StochasticDepth float64       `json:"stochastic_depth,omitempty"` // rate of the last block
	Consistency     *Consistency  `json:"consistency,omitempty"`      // token reduction consistency
	Distillation    *Distillation `json:"distillation,omitempty"`     // of another model, through the distillation token

	ResizedCrop bool    `json:"resized_crop,omitempty"` // cut 8 to 100 percent out and resize
	Crop        int     `json:"crop"`                   // pixels by which images shift
	Flip        bool    `json:"flip"`                   // left to right
	RandAugment float64 `json:"rand_augment,omitempty"` // magnitude of RandAugment, 2 operations, deviation 0.5; DeiT's is 9
	Erase       float64 `json:"erase"`                  // probability of random erasing
	EraseNoise  float64 `json:"erase_noise,omitempty"`  // the same as timm does it, filled with noise; DeiT's is 0.25
	Mixup       float64 `json:"mixup,omitempty"`        // strength of mixup, DeiT's is 0.8
	CutMix      float64 `json:"cutmix,omitempty"`       // strength of cutmix, DeiT's is 1
}

// Pretrained as initial weights are those of vit.Load.
const Pretrained = "pretrained"

// InitialFile is the file of InitialWeights, with the seed in its name.
func (r Recipe) InitialFile() string {
	return strings.ReplaceAll(r.InitialWeights, "{seed}", strconv.FormatInt(r.Seed, 10))
}

// ImageNet as a dataset is a folder of pictures in its layout (datasets.Folder).
const ImageNet = "imagenet"

// ParseRecipe reads a recipe; fields left out take FashionMNIST's values, an unknown field is an
// error that names the known ones.
func ParseRecipe(data []byte) (Recipe, error) {
	r := FashionMNIST()
	if err := strictjson.Decode(data, &r); err != nil {
		return r, fmt.Errorf("train: recipe: %w", err)
	}
	return r, r.Validate()
}

// Validate reports the first setting with which nothing can be trained.
func (r Recipe) Validate() error {
	if r.Dataset != ImageNet {
		if err := datasets.CheckName(r.Dataset); err != nil {
			return fmt.Errorf("train: %w, %s", err, ImageNet)
		}
	}
	config, err := r.config()
	if err != nil {
		return err
	}
	if _, err := r.method(); err != nil {
		return err
	}
	if r.Consistency != nil {
		err = r.Consistency.validate()
	}
	if r.Distillation != nil {
		err = firstError(err, r.Distillation.validate(config))
	}
	if r.Accumulate > 0 && r.BatchSize%r.Accumulate != 0 {
		err = firstError(err, fmt.Errorf("train: a batch_size of %d does not divide into accumulate=%d micro-batches", r.BatchSize, r.Accumulate))
	}
	return firstError(err,
		within("epochs", float64(r.Epochs), 1, 1e6),
		within("batch_size", float64(r.BatchSize), 1, 1e6),
		within("accumulate", float64(r.Accumulate), 0, 1e6),
		within("learning_rate", r.LearningRate, 1e-20, 100),
		within("min_learning_rate", r.MinLearningRate, 0, r.LearningRate),
		within("warm_up_epochs", r.WarmUpEpochs, 0, float64(r.Epochs)),
		within("weight_decay", r.WeightDecay, 0, 100),
		within("clip_norm", r.ClipNorm, 0, 1e6),
		within("ema", r.EMA, 0, 1),
		within("label_smoothing", r.LabelSmoothing, 0, 1),
		within("stochastic_depth", r.StochasticDepth, 0, 0.99),
		within("crop", float64(r.Crop), 0, 1e4),
		within("rand_augment", r.RandAugment, 0, 10),
		within("erase", r.Erase, 0, 1),
		within("erase_noise", r.EraseNoise, 0, 1),
		within("mixup", r.Mixup, 0, 100),
		within("cutmix", r.CutMix, 0, 100))
}

func within(name string, v, low, high float64) error {
	if !(v >= low && v <= high) {
		return fmt.Errorf("train: %s is %v, want %v to %v", name, v, low, high)
	}
	return nil
}

func firstError(all ...error) error {
	i := slices.IndexFunc(all, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return all[i]
}

// config is the model's.
func (r Recipe) config() (vit.Config, error) {
	if r.Config != nil {
		return *r.Config, r.Config.Validate()
	}
	return vit.ConfigOf(r.Model)
}

func (r Recipe) method() (fusion.Method, error) {
	if len(r.Fusion) == 0 {
		return fusion.None{}, nil
	}
	// In one line, since it is the recipe's lines that an error should name, or none.
	return fusion.ParseJSON(bytes.ReplaceAll(r.Fusion, []byte("\n"), []byte(" ")))
}

func (r Recipe) microBatches() int { return max(1, r.Accumulate) }

func (r Recipe) order(start int) datasets.Order {
	a := datasets.Augmentation{Crop: r.Crop, Flip: r.Flip, Erase: r.Erase, EraseNoise: r.EraseNoise,
		Mix: datasets.Mix{Mixup: r.Mixup, CutMix: r.CutMix}}
	if r.ResizedCrop {
		a.ResizedCrop = datasets.InceptionCrop()
	}
	if r.RandAugment > 0 {
		a.RandAugment = datasets.RandAugment{Operations: 2, Magnitude: r.RandAugment, Deviation: 0.5}
	}
	return datasets.Order{
		BatchSize: r.BatchSize, Shuffle: true, Seed: uint64(r.Seed), DropRemainder: true, Endless: true, Start: start, Augment: a,
	}
}
