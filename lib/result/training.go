package result

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// TrainingRow is a line of a training run's log.jsonl: means over the steps since the line before (or
// since the process began).
type TrainingRow struct {
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

// ReadTraining reads the log.jsonl of a training run; a line that is cut off, as a killed process leaves
// it, ends it.
func ReadTraining(path string) ([]TrainingRow, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	var rows []TrainingRow
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var row TrainingRow
		if json.Unmarshal(lines.Bytes(), &row) != nil {
			break
		}
		rows = append(rows, row)
	}
	return rows, nil
}
