package result_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tokenfuse/lib/result"
)

// TestWithSpeed: speeds come from the timed row of the same setting, however its JSON is written, and
// whatever its label, target and seed are.
func TestWithSpeed(t *testing.T) {
	of := func(fusion, label, dtype string, speed float64) result.Row {
		return result.Row{Model: "m", Method: "mctf", Label: label, DType: dtype, Fusion: json.RawMessage(fusion), ImagesPerSecond: speed}
	}
	rows := []result.Row{
		of(`{"method":"mctf","r":4,"seed":1}`, "mine", "", 0),
		of(`{"method":"mctf","r":5}`, "mine", "", 0),
		of(`{"method":"mctf","r":4}`, "mine", "bfloat16", 0),
		of(`{"method":"mctf","r":4}`, "", "", 7),
	}
	timed := []result.Row{of(`{"seed":3,"r":4,"method":"mctf"}`, "", "", 640), of(`{"method":"mctf","r":8}`, "", "", 1)}
	timed[0].Batch = 64
	with, err := result.WithSpeed(rows, timed)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{640, 0, 0, 7} {
		if with[i].ImagesPerSecond != want {
			t.Errorf("row %d: %g images/s, want %g", i, with[i].ImagesPerSecond, want)
		}
	}
	if with[0].Batch != 64 || rows[0].ImagesPerSecond != 0 {
		t.Errorf("batch %d; the rows passed have %g images/s now", with[0].Batch, rows[0].ImagesPerSecond)
	}
	if _, err := result.WithSpeed(rows, append(timed, timed[0])); err == nil || !strings.Contains(err.Error(), `"m" under "mctf" r=4 was timed twice, 640 and 640 images/s`) {
		t.Errorf("timed twice: %v", err)
	}
}
