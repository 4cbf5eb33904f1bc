// Package train trains models by a recipe: AdamW, a cosine schedule with warm-up, label
// smoothing, augmented images. A run is a folder; it writes checkpoints there and, started again,
// goes on from the last one to the weights of an uninterrupted run.
//
// [Run] is the whole of it.
package train

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	"github.com/gomlx/gomlx/ml/train/optimizer/cosineschedule"

	"tokenfuse/datasets"
	"tokenfuse/lib/ablation"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
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
	// CheckpointEvery is the number of steps between checkpoints; 0 is once an epoch.
	CheckpointEvery int
	// Progress, if set, hears of every step.
	Progress func(Progress)
}

// Progress is where a run stands.
type Progress struct {
	Step, Steps int
	Epoch       float64
	Loss        float64
	// Accuracy on the test images, in [0, 1]; below 0 where this step did not measure it.
	Accuracy float64
	// PerStep is the mean duration of a step since the run was started or resumed.
	PerStep time.Duration
}

// Run trains by a recipe, or goes on from the folder's last checkpoint, and returns the model and its
// accuracy on the test images. When the context is cancelled it writes a checkpoint and returns the
// context's error.
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
	config, err := vit.ConfigOf(r.Model)
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
	folder, err := openFolder(o.Dir, r)
	if err != nil {
		return nil, 0, err
	}
	defer folder.close()
	start, err := folder.resume(m)
	if err != nil {
		return nil, 0, err
	}
	session := &session{Recipe: r, Options: o, model: m, config: config, method: method, folder: folder}
	var accuracy float64
	if panicked := accel.Try(func() { accuracy, err = session.run(ctx, start) }); panicked != nil {
		err = fmt.Errorf("train: %w", panicked)
	}
	return m, accuracy, err
}

// start returns the model before the first step: random weights by the seed, or those of a file.
func (r Recipe) start(config vit.Config) (*vit.Model, error) {
	if r.InitialWeights != "" {
		m, _, err := vit.FromFile(r.Model, config, r.InitialWeights)
		return m, err
	}
	m, err := vit.New(config, r.Seed)
	if err != nil {
		return nil, err
	}
	m.Name = r.Model
	return m, nil
}

// session is one process's part of a run.
type session struct {
	Recipe
	Options
	model  *vit.Model
	config vit.Config
	method fusion.Method
	folder *folder
}

func (s *session) run(ctx context.Context, start int) (accuracy float64, err error) {
	data, err := s.Train.Dataset(s.order(start))
	if err != nil {
		return 0, err
	}
	perEpoch := data.StepsPerEpoch()
	steps := s.Epochs * perEpoch
	every := s.CheckpointEvery
	if every < 1 {
		every = perEpoch
	}
	trainer := s.trainer(steps, int(s.WarmUpEpochs*float64(perEpoch)))
	next, stop := iter.Pull2(data.Iter())
	defer stop()
	began := time.Now()
	for step := start; step < steps; step++ {
		batch, err, _ := next()
		if err != nil {
			return 0, err
		}
		loss, err := trainStep(trainer, batch)
		if err != nil {
			return 0, err
		}
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return 0, fmt.Errorf("train: the loss became %v at step %d: lower the learning rate; the last checkpoint is kept in %s", loss, step+1, s.Dir)
		}
		done := step + 1
		p := Progress{Step: done, Steps: steps, Epoch: float64(done) / float64(perEpoch), Loss: loss, Accuracy: -1,
			PerStep: time.Since(began) / time.Duration(done-start)}
		if done%perEpoch == 0 {
			if p.Accuracy, err = s.test(ctx); err != nil && ctx.Err() == nil {
				return 0, err
			}
			accuracy = p.Accuracy
			if err := s.folder.log(p); err != nil {
				return 0, err
			}
		}
		if s.Progress != nil {
			s.Progress(p)
		}
		if done%every == 0 || done == steps || ctx.Err() != nil {
			if err := s.folder.save(s.model, done); err != nil {
				return 0, err
			}
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	if start >= steps {
		return s.test(ctx)
	}
	return accuracy, nil
}

func (s *session) test(ctx context.Context) (float64, error) {
	classifier, err := s.model.WithBackend(s.Backend, s.method)
	if err != nil {
		return 0, err
	}
	defer classifier.Close()
	return ablation.Accuracy(ctx, classifier, s.Test, 250)
}

// trainer runs AdamW under a cosine schedule.
func (s *session) trainer(steps, warmUp int) *train.Trainer {
	forward := func(scope *model.Scope, _ any, inputs []*Node) []*Node {
		g := inputs[0].Graph()
		cosineschedule.New(scope, g, dtypes.Float32).LearningRate(s.LearningRate).
			PeriodSteps(max(1, steps-warmUp)).WarmUpSteps(warmUp).Done()
		return []*Node{vit.Forward(s.model.Store(), s.config, s.method, inputs[0]).Logits}
	}
	adamW := optimizer.Adam().LearningRate(s.LearningRate).WeightDecay(s.WeightDecay).Epsilon(1e-8).Done()
	return train.NewTrainer(s.Backend, s.model.Store(), forward, crossEntropy(s.config.Classes, s.LabelSmoothing), adamW, nil, nil)
}

// crossEntropy is the mean cross entropy of logits [batch, classes] with labels [batch, 1], or with
// targets [batch, classes] of mixed images, of which a share is spread evenly over all classes (label
// smoothing, arXiv 1512.00567, section 7).
func crossEntropy(classes int, smoothing float64) train.LossFn {
	return func(labels, predictions []*Node) *Node {
		logProbability := LogSoftmax(predictions[0], -1)
		target := labels[0]
		if !target.DType().IsFloat() {
			target = OneHot(Squeeze(target, -1), classes, predictions[0].DType())
		}
		target = AddScalar(MulScalar(target, 1-smoothing), smoothing/float64(classes))
		return Neg(ReduceAllMean(ReduceSum(Mul(target, logProbability), -1)))
	}
}

// trainStep runs one step and returns its loss.
func trainStep(trainer *train.Trainer, batch train.Batch) (float64, error) {
	metrics, err := trainer.TrainStep(batch)
	if err != nil {
		return 0, fmt.Errorf("train: %s", accel.FirstLine(err))
	}
	loss := tensors.MustCopyFlatData[float32](metrics[0])[0]
	for _, m := range metrics {
		if err := m.FinalizeAll(); err != nil {
			return 0, fmt.Errorf("train: %s", accel.FirstLine(err))
		}
	}
	return float64(loss), nil
}
