package ablation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gomlx/compute"

	"tokenfuse/datasets"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/result"
	"tokenfuse/lib/vit"
)

// errLacking marks what the machine lacks (data, weights), rather than a result of the experiment: it is
// no row, so that the experiment is done once it is there.
var errLacking = errors.New("lacking")

// evaluator evaluates cells one after the other. It keeps the last model and its last classifier, with
// what is compiled, for cells that have the same, and all data.
type evaluator struct {
	backend  compute.Backend
	batch    int
	machine  result.Machine
	download io.Writer // hears of downloads

	images  map[string]datasets.Source
	groups  map[string]string // as result.EncodeGroups writes them
	model   *vit.Model
	modelOf string

	classifier   *vit.Classifier
	classifierOf string
}

func newEvaluator(o Options) *evaluator {
	return &evaluator{backend: o.Backend, batch: o.batch(), machine: o.Machine, download: o.download(),
		images: map[string]datasets.Source{}, groups: map[string]string{}}
}

func (e *evaluator) close() {
	if e.classifier != nil {
		e.classifier.Close()
		e.classifier = nil
	}
}

// evaluate returns the row of a cell: its result, or why there is none. An error is no result: ctx has
// ended, or errLacking.
func (e *evaluator) evaluate(ctx context.Context, c Cell, progress func(done, total int)) (result.Row, error) {
	began := time.Now()
	row, err := e.measure(ctx, c, progress)
	if ctx.Err() != nil {
		return row, ctx.Err()
	}
	if errors.Is(err, errLacking) {
		return row, err
	}
	if err != nil {
		row.Samples, row.AccuracyTop1, row.Tokens, row.GMACs = 0, 0, nil, 0
		row.Foreground = result.Foreground{}
		row.Correct, row.Groups, row.Error = "", "", accel.FirstLine(err)
	}
	row.Seconds = time.Since(began).Seconds()
	return row, nil
}

func (e *evaluator) measure(ctx context.Context, c Cell, progress func(done, total int)) (result.Row, error) {
	row := result.Row{
		Model: c.Model, Method: c.Method.Name(), Label: c.Label, Fusion: c.Fusion, Dataset: c.Data.Dataset, Split: string(c.Data.split()),
		Seed: c.Seed, Backend: accel.Name(e.backend), Machine: e.machine,
	}
	row.Key, row.Target = c.Key, c.Target
	if c.Misfit != nil {
		return row, c.Misfit
	}
	images, err := e.load(ctx, c)
	if err != nil {
		return row, err
	}
	about := images.About()
	row.Dataset, row.Split = about.Name, string(about.Split)
	if err := e.ready(ctx, c); err != nil {
		return row, err
	}
	tally := newTally(e.classifier)
	if err := tally.run(ctx, images, e.batch, func(done int) { progress(done, images.Len()) }); err != nil {
		return row, err
	}
	row.Samples, row.AccuracyTop1, row.Groups = tally.images, tally.accuracy(), e.groups[e.imagesKey(c)]
	if row.Correct, err = result.EncodeAnswers(tally.answers); err != nil {
		return row, err
	}
	if row.Foreground, err = e.foreground(ctx, images, c.Data.Foreground); err != nil {
		return row, err
	}
	row.Tokens, row.GMACs, err = tally.cost()
	return row, err
}

// foreground is what the classifier's method makes of the foreground of the first n images, behind the last
// block; without n it is not measured.
func (e *evaluator) foreground(ctx context.Context, images datasets.Source, n int) (result.Foreground, error) {
	if n == 0 {
		return result.Foreground{}, nil
	}
	masked, ok := first(images, n).(Masked)
	if !ok {
		return result.Foreground{}, unmasked(images)
	}
	layers, err := MeasureForeground(ctx, e.classifier, masked)
	if err != nil {
		return result.Foreground{}, err
	}
	return layers[len(layers)-1], nil
}

// imagesKey names the data, and of pictures, which are made to a model's measure, the measure.
func (e *evaluator) imagesKey(c Cell) string {
	if c.Data.Dataset == "folder" && c.Data.Source == nil {
		return fmt.Sprint(c.images, vit.Transform(c.model.Model, c.Config))
	}
	return c.images
}

// load returns the cell's images, from memory if another cell had the same.
func (e *evaluator) load(ctx context.Context, c Cell) (datasets.Source, error) {
	key := e.imagesKey(c)
	if images, ok := e.images[key]; ok {
		return images, nil
	}
	images, err := c.Data.load(ctx, c.model.Model, c.Config, e.download)
	if errors.Is(err, datasets.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", errLacking, err)
	}
	if err != nil {
		return nil, err
	}
	if e.groups[key], err = groupsOf(images); err != nil {
		return nil, err
	}
	e.images[key] = images
	return images, nil
}

// ready makes the classifier that of the cell.
func (e *evaluator) ready(ctx context.Context, c Cell) error {
	model := c.Model + " " + c.source
	classifier := model + " " + string(c.Fusion)
	if e.classifier != nil && e.classifierOf == classifier {
		return nil
	}
	e.close()
	if e.model == nil || e.modelOf != model {
		m, err := c.loadModel(ctx, e.download)
		if err != nil {
			return err
		}
		e.model, e.modelOf = m, model
	}
	var err error
	if e.classifier, err = e.model.WithBackend(e.backend, c.Method); err != nil {
		e.classifier = nil
		return err
	}
	e.classifierOf = classifier
	return nil
}

// loadModel returns the cell's model with its weights.
func (c Cell) loadModel(ctx context.Context, progress io.Writer) (*vit.Model, error) {
	switch {
	case c.model.Value != nil:
		return c.model.Value, nil
	case c.model.Weights == Untrained:
		return vit.New(c.Config, c.Seed)
	case c.weights != "":
		m, _, err := vit.FromFile(c.Model, c.Config, c.weights)
		return m, err
	}
	m, err := vit.Load(c.model.Model, vit.WithContext(ctx), vit.WithProgress(progress))
	if err != nil && ctx.Err() == nil && errors.Is(err, vit.ErrNoWeights) {
		err = fmt.Errorf("%w: %w", errLacking, err)
	}
	return m, err
}
