package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"tokenfuse/lib/result"
	"tokenfuse/lib/whole"
)

// openLog opens log.jsonl to go on behind a step: lines of steps after it, which are taken again, go.
func (f *folder) openLog(step int) error {
	rows, err := result.ReadTraining(f.path("log.jsonl"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, row := range rows {
		if row.Step <= step {
			f.logged = append(f.logged, row)
		}
	}
	return f.rewriteLog()
}

// rewriteLog writes all that was logged, and goes on behind it.
func (f *folder) rewriteLog() error {
	var kept bytes.Buffer
	for _, row := range f.logged {
		if err := json.NewEncoder(&kept).Encode(row); err != nil {
			return err
		}
	}
	path := f.path("log.jsonl")
	if err := whole.WriteFile(path, kept.Bytes(), 0o644); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	f.close() // the file that was replaced
	var err error
	if f.logFile, err = os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}

// log appends a line to log.jsonl.
func (f *folder) log(row result.TrainingRow) error {
	f.logged = append(f.logged, row)
	line, err := json.Marshal(row)
	if err != nil {
		return err
	}
	if _, err := f.logFile.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("train: the log could not be written, the last checkpoint is kept: %w", err)
	}
	return nil
}

// tally adds up what a line of the log says.
type tally struct {
	began time.Time
	steps int
	loss  float64
	parts map[string]float64
}

func newTally() tally { return tally{began: time.Now(), parts: map[string]float64{}} }

func (t *tally) add(p Progress) {
	t.steps++
	t.loss += p.Loss
	for name, part := range p.Parts {
		t.parts[name] += part
	}
}

func (t *tally) row(p Progress, learningRate float64) result.TrainingRow {
	row := result.TrainingRow{Step: p.Step, Epoch: p.Epoch, Loss: t.loss / float64(t.steps), Parts: map[string]float64{},
		LearningRate: learningRate, Seconds: time.Since(t.began).Seconds()}
	for name, part := range t.parts {
		row.Parts[name] = part / float64(t.steps)
	}
	p.accuracies(&row)
	return row
}

// accuracies puts those that were measured into a line of the log.
func (p Progress) accuracies(row *result.TrainingRow) {
	if p.Accuracy >= 0 {
		row.AccuracyTop1 = &p.Accuracy
	}
	if p.EMAAccuracy >= 0 {
		row.EMAAccuracyTop1 = &p.EMAAccuracy
	}
}
