// Package bench measures how fast models are under fusion methods: what `go run ./kernel bench` runs,
// and by which every claim about speed is made and can be made again.
//
// A [Case] is a model under a method with batches of one size, or an external command that does the
// same. [Run] compiles all cases in one process, lets them run batch by batch in turn ([Interleave]),
// and returns a row for each, with the median and the quartiles of its batches, [Compare]d with the
// base model. [Cut] is the case of a fusion step that costs nothing; [Alone] measures a case in a
// process of its own.
//
// What is timed is what a user waits for: from normalised images in the machine's memory, through the
// transfer to the device, to logits in the machine's memory, which also waits for the device. Models are
// untrained: their speed does not depend on the weights.
package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gomlx/compute"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/flops"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/result"
	"tokenfuse/lib/vit"
)

// Case is one thing to time.
type Case struct {
	Model  string // name of the model
	Config vit.Config
	Method fusion.Method // nil in an external case
	Batch  int           // images at once
	Label  string        // what the row is called; empty is the method's own name
	// Command, if set, runs the batches in place of Tokenfuse: see External.
	Command string
}

func (c Case) String() string {
	name := c.Label
	if name == "" && c.Method != nil {
		name = c.Method.Name()
	}
	text := fmt.Sprintf("%s %s at %s, batch %d", c.Model, name, c.Config.ImageSize, c.Batch)
	if c.Config.DType != vit.Float32 {
		text += ", " + string(c.Config.DType)
	}
	return text
}

// Check reports a case that cannot be: a batch of no images, a setting that does not fit the model.
func (c Case) Check() error {
	err := c.Config.Validate()
	switch {
	case err != nil:
	case c.Batch < 1:
		err = fmt.Errorf("a batch of %d images, want 1 or more", c.Batch)
	case c.Command == "":
		_, _, err = vit.Plan(c.Config, c.Method)
	}
	if err != nil {
		return fmt.Errorf("bench: %s: %w", c, err)
	}
	return nil
}

// Options say how to measure.
type Options struct {
	Backend             compute.Backend
	Warmup, Repetitions int
	// Progress, if set, hears what is going on.
	Progress func(string)
}

// Run times the cases in turn and returns a row for each, in order. A case that cannot be, or that
// fails, is an error that names it.
func Run(ctx context.Context, cases []Case, o Options) ([]result.Row, error) {
	if o.Repetitions < 1 || o.Warmup < 0 {
		return nil, fmt.Errorf("bench: %d repetitions after %d rounds of warm-up, want 1 or more after 0 or more", o.Repetitions, o.Warmup)
	}
	for _, c := range cases {
		if err := c.Check(); err != nil {
			return nil, err
		}
	}
	rows := make([]result.Row, len(cases))
	for i, c := range cases {
		row, err := c.row(o.Backend)
		if err != nil {
			return nil, fmt.Errorf("bench: %s: %w", c, err)
		}
		rows[i] = row
	}
	subjects, err := start(ctx, cases, o)
	defer func() {
		for _, s := range subjects {
			_ = s.Close() // all that was to be learned of it is in its times
		}
	}()
	if err != nil {
		return nil, err
	}
	times, err := Interleave(ctx, subjects, o.Warmup, o.Repetitions, o.Progress)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		enter(&rows[i], times[i], cases[i].Command == "")
		if e, ok := subjects[i].(*External); ok {
			rows[i].PeakMebibytes = e.PeakMebibytes()
		}
	}
	Compare(rows)
	return rows, nil
}

// start makes the cases ready to run, short of compiling. What was started is returned even where
// another case failed.
func start(ctx context.Context, cases []Case, o Options) ([]Subject, error) {
	var subjects []Subject
	shared := models{}
	for _, c := range cases {
		var s Subject
		var err error
		if c.Command != "" {
			if o.Progress != nil {
				o.Progress("waiting for " + c.Label + " to be ready")
			}
			s, err = StartExternal(ctx, c.Label, c.Command)
		} else {
			s, err = shared.classify(o.Backend, c)
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if err != nil {
			return subjects, fmt.Errorf("bench: %s: %w", c, err)
		}
		subjects = append(subjects, s)
	}
	return subjects, nil
}

// row is what is known of a case before it runs.
func (c Case) row(backend compute.Backend) (result.Row, error) {
	row := result.Row{Model: c.Model, Label: c.Label, DType: string(c.Config.DType), Timing: result.Timing{
		Batch: c.Batch, ImageSize: c.Config.ImageSize.String(), Command: c.Command}}
	if c.Command != "" {
		row.Method, row.Backend = "external", "external"
		return row, nil
	}
	count, err := flops.Of(c.Config, c.Method)
	if err != nil {
		return row, err
	}
	row.Method, row.GMACs, row.Seed, row.Backend = c.Method.Name(), count.GMACs, seed, accel.Name(backend)
	for _, layer := range count.Layers {
		row.Tokens = append(row.Tokens, layer.Leaving)
	}
	row.Fusion, err = json.Marshal(c.Method)
	return row, err
}

// enter fills in what was measured. An external command compiles, if it does, before it says that it is
// ready: what its first batch took longer says nothing.
func enter(r *result.Row, t Times, compiles bool) {
	first, median, third := quartiles(t.Each)
	r.Repetitions = len(t.Each)
	r.MillisecondsQuartile1, r.MillisecondsPerBatch, r.MillisecondsQuartile3 = milliseconds(first), milliseconds(median), milliseconds(third)
	r.ImagesPerSecond = ratio(float64(r.Batch), median.Seconds())
	if compiles {
		r.CompileSeconds = max(0, (t.First - median).Seconds())
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Labelled is a method and what rows under it are called; empty is the method's own name.
type Labelled struct {
	Label  string
	Method fusion.Method
}

// Grid returns a case, which has neither method nor label yet, under each of the methods; with cut,
// behind each that removes tokens stands the Cut of it. A method that does not fit the model is an error.
func Grid(at Case, methods []Labelled, cut bool) ([]Case, error) {
	var cases []Case
	for _, m := range methods {
		c := at
		c.Method, c.Label = m.Method, m.Label
		if err := c.Check(); err != nil {
			return nil, err
		}
		cases = append(cases, c)
		if _, base := m.Method.(fusion.None); cut && !base {
			name := m.Label
			if name == "" {
				name = m.Method.Name()
			}
			c.Method, c.Label = Cut{m.Method}, "cut as "+name
			cases = append(cases, c)
		}
	}
	return cases, nil
}
