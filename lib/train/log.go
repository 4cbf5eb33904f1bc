package train

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// LogRow is a line of log.jsonl: means over the steps since the line before (or since the process began).
type LogRow struct {
	Step         int                `json:"step"`
	Epoch        float64            `json:"epoch"`
	Loss         float64            `json:"loss"`
	Parts        map[string]float64 `json:"parts"`         // what each part of the recipe adds to the loss
	LearningRate float64            `json:"learning_rate"` // of the last step
	Seconds      float64            `json:"seconds"`       // since the line before
	// On the test images, in [0, 1], where it was measured: at the end of epochs. EMA is that of the
	// weights' moving average.
	AccuracyTop1    *float64 `json:"accuracy_top1,omitempty"`
	EMAAccuracyTop1 *float64 `json:"ema_accuracy_top1,omitempty"`
}

// ReadLog reads the log.jsonl of a run; a line that is cut off, as a killed process leaves it, ends it.
func ReadLog(path string) ([]LogRow, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	var rows []LogRow
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var row LogRow
		if json.Unmarshal(lines.Bytes(), &row) != nil {
			break
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// openLog opens log.jsonl to go on behind a step: lines of steps after it, which are taken again, go.
func (f *folder) openLog(step int) error {
	path := f.path("log.jsonl")
	rows, err := ReadLog(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var kept bytes.Buffer
	for _, row := range rows {
		if row.Step <= step {
			if err := json.NewEncoder(&kept).Encode(row); err != nil {
				return err
			}
		}
	}
	if err := os.WriteFile(path+".new", kept.Bytes(), 0o644); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if f.logFile, err = os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}

// log appends a line to log.jsonl.
func (f *folder) log(row LogRow) error {
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

func (t *tally) row(p Progress, learningRate float64) LogRow {
	row := LogRow{Step: p.Step, Epoch: p.Epoch, Loss: t.loss / float64(t.steps), Parts: map[string]float64{},
		LearningRate: learningRate, Seconds: time.Since(t.began).Seconds()}
	for name, part := range t.parts {
		row.Parts[name] = part / float64(t.steps)
	}
	if p.Accuracy >= 0 {
		row.AccuracyTop1 = &p.Accuracy
	}
	if p.EMAAccuracy >= 0 {
		row.EMAAccuracyTop1 = &p.EMAAccuracy
	}
	return row
}
