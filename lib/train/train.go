// Package train trains models by a recipe: AdamW, a cosine schedule with warm-up, label smoothing,
// stochastic depth, augmented images, token reduction consistency, distillation. A run is a folder; it
// writes checkpoints there and, started again, goes on from the last one to the weights of an
// uninterrupted run, to the last bit.
//
// [Run] is the whole of it; a [Recipe] says what it does, and [Recipes] are those that come with
// Tokenfuse. One file is one idea: objective.go is the loss, consistency.go and distillation.go what a
// recipe may add to it, optimizer.go how weights move, average.go the average of where they were.
package train

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gomlx/compute"

	"tokenfuse/datasets"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/result"
	"tokenfuse/lib/vit"
)

// Options say where a run lives and who watches it.
type Options struct {
	Dir         string // of checkpoints and log
	Backend     compute.Backend
	Train, Test datasets.Source
	// Method, if set, takes the place of the recipe's fusion: a method of one's own, which JSON cannot
	// tell.
	Method fusion.Method
	// Devices is the number of devices that share the images of a step; 0 is 1. XLA's CPU plugin offers 4,
	// which are the same processor.
	Devices int
	// CheckpointEvery is the number of steps between checkpoints; 0 is once an epoch.
	CheckpointEvery int
	// LogEvery is the number of steps between lines of log.jsonl, beside the one of each epoch; 0 is none.
	LogEvery int
	// Logged, if set, is given all lines of log.jsonl, those before an interruption too, whenever there is
	// one more: the data of a live curve.
	Logged func([]result.TrainingRow)
	// Progress, if set, hears of every step.
	Progress func(Progress)
}

// Progress is where a run stands.
type Progress struct {
	Step, Steps int
	Epoch       float64
	Loss        float64
	Parts       map[string]float64 // what each part of the recipe adds to the loss
	// Accuracy on the test images, in [0, 1]; below 0 where this step did not measure it. EMAAccuracy is
	// that of the weights' moving average, where the recipe has one.
	Accuracy, EMAAccuracy float64
	// PerStep is the mean duration of a step since the run was started or resumed, without its first,
	// which compiles; 0 behind that one.
	PerStep time.Duration
}

// Interrupted is the error of a run whose context was cancelled, which it wraps.
type Interrupted struct {
	Step, Steps int    // done, and in all
	Dir         string // that holds the checkpoint
	cause       error
}

func (e *Interrupted) Error() string {
	return fmt.Sprintf("train: interrupted at step %d of %d, whose checkpoint is in %s: the same call or command goes on from there", e.Step, e.Steps, e.Dir)
}

func (e *Interrupted) Unwrap() error { return e.cause }

// Run trains by a recipe, or goes on from the folder's last checkpoint, and returns the model and its
// accuracy on the test images: with the moving average of its weights where the recipe has one, and the
// last weights are then in the folder's last.safetensors. When the context is cancelled it writes a
// checkpoint behind the step that it is in, and the error is an [Interrupted]. Where a loss is no number,
// memory runs out or the disk is full, the error is one line that says so, and the last checkpoint stays.
func Run(ctx context.Context, r Recipe, o Options) (*vit.Model, float64, error) {
	if err := r.Validate(); err != nil {
		return nil, 0, err
	}
	method, err := r.method()
	if o.Method != nil {
		method = o.Method
		r.Fusion, err = json.Marshal(method)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("train: %w", err)
	}
	config, err := r.config()
	if err != nil {
		return nil, 0, err
	}
	if classes := len(o.Train.About().Classes); classes > config.Classes || r.Mixup+r.CutMix > 0 && classes != config.Classes {
		return nil, 0, fmt.Errorf("train: %s has %d classes, the images have %d", r.Model, config.Classes, classes)
	}
	m, err := r.start(config)
	if err != nil {
		return nil, 0, err
	}
	if err := m.Learn(method, r.Seed); err != nil {
		return nil, 0, err
	}
	s := &session{Recipe: r, Options: o, model: m, method: method,
		objective: objective{Recipe: r, store: m.Store(), config: config, method: method}}
	if err := s.prepare(); err != nil {
		return nil, 0, err
	}
	defer s.close()
	var accuracy float64
	if panicked := accel.Try(func() { m, accuracy, err = s.run(ctx) }); panicked != nil {
		err = s.explain(panicked)
	}
	return m, accuracy, err
}

// start returns the model before the first step: random weights by the seed, or those of a file.
func (r Recipe) start(config vit.Config) (*vit.Model, error) {
	switch r.InitialWeights {
	case "":
	case Pretrained:
		return vit.Load(r.Model)
	default:
		m, _, err := vit.FromFile(r.Model, config, r.InitialFile())
		return m, err
	}
	m, err := vit.New(config, r.Seed)
	if err != nil {
		return nil, err
	}
	m.Name = r.Model
	return m, nil
}
