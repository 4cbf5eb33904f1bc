package bench

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/result"
)

// given is a row of a method with a measured speed.
func given(t *testing.T, m fusion.Method, batch int, imagesPerSecond, gmacs float64) result.Row {
	t.Helper()
	setting, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return result.Row{Model: "m", Method: m.Name(), Fusion: setting, ImagesPerSecond: imagesPerSecond, GMACs: gmacs,
		Timing: result.Timing{Batch: batch, ImageSize: "32x32"}}
}

// TestCompare: ratios by hand, each against its own batch.
func TestCompare(t *testing.T) {
	mctf, tome := fusion.MCTF{R: 16}, fusion.ToMe{R: 13}
	rows := []result.Row{
		given(t, fusion.None{}, 16, 100, 4),
		given(t, mctf, 16, 150, 2.5), // half as much gained
		given(t, Cut{mctf}, 16, 200, 2),
		given(t, tome, 16, 80, 3), // slower than the base model
		given(t, Cut{tome}, 16, 120, 3),
		given(t, fusion.MCTF{R: 8}, 16, 130, 3), // no cut of the same setting
		given(t, fusion.None{}, 1, 10, 4),
		given(t, mctf, 1, 11, 2.5),
		given(t, Cut{mctf}, 1, 9, 2), // cutting gains nothing: no part of it
		{Model: "m", Method: "external", ImagesPerSecond: 50, Timing: result.Timing{Batch: 16, ImageSize: "32x32"}},
		given(t, mctf, 64, 300, 2.5), // no base model with this batch
	}
	Compare(rows)
	for i, want := range [][3]float64{ // speed-up, GMACs, gain of cutting
		{1, 1, 0}, {1.5, 0.625, 0.5}, {2, 0.5, 0}, {0.8, 0.75, -1}, {1.2, 0.75, 0}, {1.3, 0.75, 0},
		{1, 1, 0}, {1.1, 0.625, 0}, {0.9, 0.5, 0}, {0.5, 0, 0}, {0, 0, 0},
	} {
		got := [3]float64{rows[i].Speedup, rows[i].GMACsShare, rows[i].GainOfCutting}
		for k := range want {
			if math.Abs(got[k]-want[k]) > 1e-12 {
				t.Errorf("row %d (%s): %v, want %v", i, rows[i].Method, got, want)
				break
			}
		}
		if err := rows[i].Validate(); err != nil {
			t.Errorf("row %d: %v", i, err)
		}
	}
}

// TestEnter: what a row tells of times by hand.
func TestEnter(t *testing.T) {
	ms := func(values ...int) (out []time.Duration) {
		for _, v := range values {
			out = append(out, time.Duration(v)*time.Millisecond)
		}
		return out
	}
	row := result.Row{Timing: result.Timing{Batch: 16}}
	enter(&row, Times{First: 2500 * time.Millisecond, Each: ms(500, 300, 400, 600, 700)}, true)
	want := result.Timing{Batch: 16, Repetitions: 5, MillisecondsQuartile1: 400, MillisecondsPerBatch: 500, MillisecondsQuartile3: 600, CompileSeconds: 2}
	if row.Timing != want || row.ImagesPerSecond != 32 {
		t.Errorf("%+v at %g images/s, want %+v at 32", row.Timing, row.ImagesPerSecond, want)
	}
	row = result.Row{Timing: result.Timing{Batch: 16}}
	enter(&row, Times{First: 2500 * time.Millisecond, Each: ms(500)}, false)
	if row.CompileSeconds != 0 {
		t.Errorf("an external command compiled for %g s", row.CompileSeconds)
	}
	enter(&row, Times{First: 300 * time.Millisecond, Each: ms(500)}, true)
	if row.CompileSeconds != 0 {
		t.Errorf("a quick first batch means %g s of compiling, want 0", row.CompileSeconds)
	}
}
