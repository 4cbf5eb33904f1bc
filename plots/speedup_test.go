package plots

import (
	"strings"
	"testing"

	"tokenfuse/lib/result"
)

func timedRow(method, label string, share, speedup float64) result.Row {
	return result.Row{Model: "m", Method: method, Label: label, Timing: result.Timing{GMACsShare: share, Speedup: speedup}}
}

// TestSpeedup: a method and its cut, one without, and the base model, which is left out.
func TestSpeedup(t *testing.T) {
	figure, err := Speedup([]result.Row{timedRow("none", "", 1, 1), timedRow("mctf", "", 0.6, 1.4), timedRow("cut", "cut as mctf", 0.58, 1.6), timedRow("tome", "", 0.6, 1.5)})
	if err != nil {
		t.Fatal(err)
	}
	if want := "Speed-up over the base model: mctf 1.40 at 60% of the GMACs, cut 1.60; tome 1.50 at 60% of the GMACs"; figure.Alt != want {
		t.Errorf("alt %q, want %q", figure.Alt, want)
	}
	var names []string
	for _, entry := range figure.legend {
		names = append(names, entry.name)
	}
	if got := strings.Join(names, "|"); got != "were time GMACs|mctf|tome|as many tokens cut off" {
		t.Errorf("legend %s", got)
	}
	// The whole of what is drawn is in sight: the line of the GMACs above the best cut, and 1 below.
	if y := figure.Plot.Y; y.Min > 1 || y.Max < 1/0.58 {
		t.Errorf("speed-ups from %v to %v", y.Min, y.Max)
	}
	if _, err := figure.PNG(); err != nil {
		t.Error(err)
	}
	if _, err := Speedup([]result.Row{timedRow("none", "", 1, 1)}); err == nil {
		t.Error("the base model alone was drawn")
	}
}
