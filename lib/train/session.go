package train

import (
	"context"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"

	"github.com/gomlx/gomlx/ml/train"

	"tokenfuse/lib/ablation"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// session is one process's part of a run.
type session struct {
	Recipe
	Options
	objective objective
	model     *vit.Model
	method    fusion.Method
	folder    *folder

	average  *average                  // nil where the recipe has none
	imitated *vit.Classifier           // nil where the recipe does not distil
	teachers map[float64]fusion.Method // by r'; nil where the recipe has no consistency
	trainer  *train.Trainer
	devices  *devices  // nil where there is one
	perEpoch int       // steps of an epoch
	start    int       // steps that were done before
	warm     time.Time // when the first step here, which compiles, was taken
	tally    tally     // since the last line of the log
}

// prepare makes what the recipe asks for, and goes back to the last checkpoint.
func (s *session) prepare() (err error) {
	if s.EMA > 0 {
		if s.average, err = newAverage(s.model, s.EMA); err != nil {
			return err
		}
	}
	if c := s.Consistency; c != nil {
		s.teachers = map[float64]fusion.Method{}
		for _, r := range c.choices() {
			if s.teachers[r], err = c.teacher(s.objective.config, s.method, r); err != nil {
				return err
			}
		}
	}
	if d := s.Distillation; d != nil {
		if s.imitated, err = d.teacher(s.Backend, s.objective.config, s.Train.About()); err != nil {
			return err
		}
	}
	if s.perEpoch = s.Train.Len() / s.BatchSize; s.perEpoch == 0 {
		return fmt.Errorf("train: %d images are no batch of %d: lower batch_size", s.Train.Len(), s.BatchSize)
	}
	if s.devices, err = s.newDevices(); err != nil {
		return err
	}
	if s.trainer, err = s.newTrainer(); err != nil {
		return err
	}
	if s.folder, err = openFolder(s.Dir, s.Recipe); err != nil {
		return err
	}
	if s.start, err = s.folder.resume(s.model); err != nil {
		return err
	}
	return s.folder.openLog(s.start)
}

func (s *session) close() {
	s.folder.close()
	if s.imitated != nil {
		s.imitated.Close()
	}
}

// run takes the steps that are left and returns the result.
func (s *session) run(ctx context.Context) (*vit.Model, float64, error) {
	data, err := s.Train.Dataset(s.order(s.start))
	if err != nil {
		return nil, 0, err
	}
	next, stop := iter.Pull2(data.Iter())
	defer stop()
	s.tally = newTally()
	last, err := s.catchUp(ctx)
	if err != nil {
		return nil, 0, err
	}
	for step := s.start; step < s.Epochs*s.perEpoch; step++ {
		batch, err, _ := next()
		if err != nil {
			return nil, 0, err
		}
		if last, err = s.one(ctx, batch, step); err != nil {
			return nil, 0, err
		}
	}
	return s.result(ctx, last)
}

// catchUp tests the epoch in whose test the run was interrupted, and completes its line of the log.
func (s *session) catchUp(ctx context.Context) (Progress, error) {
	p := Progress{Step: s.start, Steps: s.Epochs * s.perEpoch, Accuracy: -1, EMAAccuracy: -1}
	n := len(s.folder.logged)
	if n == 0 || s.start%s.perEpoch != 0 || s.folder.logged[n-1].Step != s.start || s.folder.logged[n-1].AccuracyTop1 != nil {
		return p, nil
	}
	if err := s.measure(ctx, &p); ctx.Err() != nil {
		return p, s.interrupted(ctx, s.start)
	} else if err != nil {
		return p, err
	}
	p.accuracies(&s.folder.logged[n-1])
	if s.Logged != nil {
		s.Logged(s.folder.logged)
	}
	return p, s.folder.rewriteLog()
}

func (s *session) interrupted(ctx context.Context, step int) error {
	return &Interrupted{Step: step, Steps: s.Epochs * s.perEpoch, Dir: s.Dir, cause: ctx.Err()}
}

// one takes a step, and does what is due behind it.
func (s *session) one(ctx context.Context, batch train.Batch, step int) (Progress, error) {
	loss, parts, err := s.step(batch, step)
	if err != nil {
		return Progress{}, err
	}
	done, steps := step+1, s.Epochs*s.perEpoch
	p := Progress{Step: done, Steps: steps, Epoch: float64(done) / float64(s.perEpoch), Loss: loss, Parts: parts,
		Accuracy: -1, EMAAccuracy: -1}
	if later := done - s.start - 1; later > 0 {
		p.PerStep = time.Since(s.warm) / time.Duration(later)
	} else {
		s.warm = time.Now()
	}
	s.tally.add(p)
	epoch := done%s.perEpoch == 0
	if epoch {
		if err := s.measure(ctx, &p); err != nil && ctx.Err() == nil {
			return p, err
		}
	}
	if epoch || s.LogEvery > 0 && done%s.LogEvery == 0 {
		if err := s.folder.log(s.tally.row(p, s.learningRate())); err != nil {
			return p, err
		}
		s.tally = newTally()
		if s.Logged != nil {
			s.Logged(s.folder.logged)
		}
	}
	if s.Progress != nil {
		s.Progress(p)
	}
	due := epoch
	if s.CheckpointEvery > 0 {
		due = done%s.CheckpointEvery == 0
	}
	if due || done == steps || ctx.Err() != nil {
		if err := s.folder.save(s.model, done); err != nil {
			return p, err
		}
	}
	if ctx.Err() != nil {
		return p, s.interrupted(ctx, done)
	}
	return p, nil
}

// measure tests the model, and the average of its weights; p has both or none.
func (s *session) measure(ctx context.Context, p *Progress) error {
	accuracy, err := s.test(ctx, s.model)
	if err != nil {
		return err
	}
	if s.average != nil {
		averaged, err := s.average.model(s.model, s.method)
		if err != nil {
			return err
		}
		if p.EMAAccuracy, err = s.test(ctx, averaged); err != nil {
			p.EMAAccuracy = -1
			return err
		}
	}
	p.Accuracy = accuracy
	return nil
}

func (s *session) test(ctx context.Context, m *vit.Model) (float64, error) {
	classifier, err := m.WithBackend(s.Backend, s.method)
	if err != nil {
		return 0, err
	}
	defer classifier.Close()
	return ablation.Accuracy(ctx, classifier, s.Test, 250)
}

// result is the model that the recipe makes, and its accuracy.
func (s *session) result(ctx context.Context, last Progress) (*vit.Model, float64, error) {
	if last.Accuracy < 0 { // all was done before
		if err := s.measure(ctx, &last); err != nil {
			return nil, 0, err
		}
	}
	if s.average == nil {
		return s.model, last.Accuracy, nil
	}
	if err := s.model.Save(s.folder.path("last.safetensors"), nil); err != nil {
		return nil, 0, err
	}
	averaged, err := s.average.model(s.model, s.method)
	return averaged, last.EMAAccuracy, err
}

// explain says in one line why a step failed.
func (s *session) explain(err error) error {
	text := accel.FirstLine(err)
	if lower := strings.ToLower(text); strings.Contains(lower, "resource_exhausted") || strings.Contains(lower, "out of memory") {
		return fmt.Errorf("train: out of memory with %d images at a time: lower batch_size, or raise accumulate; the last checkpoint is kept in %s",
			s.BatchSize/s.microBatches(), s.Dir)
	}
	return fmt.Errorf("train: %s", strings.TrimPrefix(text, "train: "))
}

// finite reports a loss that is no number.
func (s *session) finite(loss float64, step int) error {
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return fmt.Errorf("train: the loss became %v at step %d: lower the learning rate; the last checkpoint is kept in %s", loss, step+1, s.Dir)
	}
	return nil
}
