// Package ablation runs a model under fusion methods over images and returns rows: what it costs,
// how accurate it is. [Run] takes methods as values, one row each; package plots draws the rows.
package ablation

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/gomlx/compute"

	"tokenfuse/datasets"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/flops"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/result"
	"tokenfuse/lib/vit"
)

// batchSize is the number of images in one pass of Run: large enough to be fast, small enough that
// the last, smaller batch is rarely another compilation.
const batchSize = 250

// Study is what methods are compared on.
type Study struct {
	Model  *vit.Model
	Images datasets.Source
	// Progress, if set, hears how many of all classifications are done.
	Progress func(done, total int)
}

// Run classifies the images under each method and returns a row for each, in order. A method that
// does not fit the model is an error before anything runs.
func Run(ctx context.Context, m *vit.Model, images datasets.Source, methods ...fusion.Method) ([]result.Row, error) {
	return Study{Model: m, Images: images}.Run(ctx, methods...)
}

// Run is Run on a study.
func (s Study) Run(ctx context.Context, methods ...fusion.Method) ([]result.Row, error) {
	backend, err := accel.Backend()
	if err != nil {
		return nil, err
	}
	return s.rows(methods, backend, func(t *tally, _ *result.Row, progress func(done int)) error {
		return t.run(ctx, s.Images, batchSize, progress)
	})
}

// rows returns a row for each method: what it costs, and what classify, which takes the images through the
// tally, finds.
func (s Study) rows(methods []fusion.Method, backend compute.Backend, classify func(*tally, *result.Row, func(done int)) error) ([]result.Row, error) {
	about := s.Images.About()
	groups, err := groupsOf(s.Images)
	if err != nil {
		return nil, err
	}
	rows := make([]result.Row, len(methods))
	for i, method := range methods {
		count, err := flops.Of(s.Model.Config, method)
		if err != nil {
			return nil, err
		}
		setting, err := json.Marshal(method)
		if err != nil {
			return nil, fmt.Errorf("ablation: %w", err)
		}
		rows[i] = result.Row{
			Model: s.Model.Name, Method: method.Name(), Fusion: setting, Dataset: about.Name, Split: string(about.Split),
			Backend: accel.Name(backend), DType: string(s.Model.Config.DType), GMACs: count.GMACs,
		}
		rows[i].Groups = groups
	}
	for i, method := range methods {
		classifier, err := s.Model.WithBackend(backend, method)
		if err != nil {
			return nil, err
		}
		tally := newTally(classifier)
		err = classify(tally, &rows[i], func(done int) {
			if s.Progress != nil {
				s.Progress(i*s.Images.Len()+done, len(methods)*s.Images.Len())
			}
		})
		classifier.Close()
		if err != nil {
			return nil, err
		}
		rows[i].Samples, rows[i].AccuracyTop1 = tally.images, tally.accuracy()
		if rows[i].Correct, err = result.EncodeAnswers(tally.answers); err != nil {
			return nil, err
		}
		if rows[i].Tokens, rows[i].GMACs, err = tally.cost(); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// Accuracy is the share of images, in [0, 1], whose label has the highest logit.
func Accuracy(ctx context.Context, c *vit.Classifier, images datasets.Source, batch int) (float64, error) {
	tally := newTally(c)
	if err := tally.run(ctx, images, batch, func(int) {}); err != nil {
		return 0, err
	}
	return tally.accuracy(), nil
}
