package plots

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tokenfuse/lib/result"
)

// timedRow is a row of a benchmark; of is the method that is only cut off, or empty.
func timedRow(method, setting, of string, share, speedup float64) result.Row {
	fusion := fmt.Sprintf(`{"method":%q%s}`, method, setting)
	if of != "" {
		fusion = fmt.Sprintf(`{"method":"cut","of":{"method":%q%s}}`, of, setting)
	}
	return result.Row{Model: "m", Method: method, Fusion: json.RawMessage(fusion), Timing: result.Timing{Batch: 16, GMACsShare: share, Speedup: speedup}}
}

// speedupRows are four methods at several settings, with their cuts, made up.
func speedupRows() []result.Row {
	return []result.Row{
		timedRow("none", "", "", 1, 1),
		timedRow("mctf", `,"r":8`, "", 0.78, 1.15), timedRow("cut", `,"r":8`, "mctf", 0.76, 1.27),
		timedRow("mctf", `,"r":16`, "", 0.56, 1.52), timedRow("cut", `,"r":16`, "mctf", 0.54, 1.75),
		timedRow("tome", `,"r":13`, "", 0.58, 1.60), timedRow("cut", `,"r":13`, "tome", 0.57, 1.68),
		timedRow("evit", `,"keep_rate":0.7`, "", 0.65, 1.48), timedRow("cut", `,"keep_rate":0.7`, "evit", 0.65, 1.50),
		timedRow("atc", `,"keep_rate":0.7`, "", 0.66, 0.91),
	}
}

func ExampleSpeedup() {
	figure, err := Speedup([]result.Row{
		{Model: "deit_small_patch16_224", Method: "none", Timing: result.Timing{GMACsShare: 1, Speedup: 1}},
		{Model: "deit_small_patch16_224", Method: "mctf", Timing: result.Timing{GMACsShare: 0.56, Speedup: 1.45}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(figure)
	// Output: Speed-up over the base model: mctf 1.45 at 56% of the GMACs
}

// TestSpeedup: methods beside their own cuts, whatever these are called; one without, and the base model, which
// is left out.
func TestSpeedup(t *testing.T) {
	figure, err := Speedup(speedupRows())
	if err != nil {
		t.Fatal(err)
	}
	if want := "Speed-up over the base model: mctf, r=8 1.15 at 78% of the GMACs, cut 1.27; mctf, r=16 1.52 at 56% of the GMACs, cut 1.75; " +
		"tome 1.60 at 58% of the GMACs, cut 1.68; evit 1.48 at 65% of the GMACs, cut 1.50; atc 0.91 at 66% of the GMACs"; figure.Alt != want {
		t.Errorf("alt %q, want %q", figure.Alt, want)
	}
	var names []string
	for _, entry := range figure.legend {
		names = append(names, entry.name)
	}
	if got := strings.Join(names, "|"); got != "if GMACs were time|mctf, r=8|mctf, r=16|tome|evit|atc|as many tokens cut off" {
		t.Errorf("legend %s", got)
	}
	// The whole of what is drawn is in sight: the line of the GMACs above the best cut, and the slowest method below 1.
	if y := figure.Plot.Y; y.Min > 0.91 || y.Max < 1/0.54 {
		t.Errorf("speed-ups from %v to %v", y.Min, y.Max)
	}
	if rows := figure.Data().([]result.Row); len(rows) != 9 {
		t.Errorf("%d rows behind it, want all but the base model's", len(rows))
	}
	if _, err := Speedup(speedupRows()[:1]); err == nil {
		t.Error("the base model alone was drawn")
	}
}

// TestSpeedupOfSeveral: rows that differ in batch, dtype, image size or model are points of their own, each
// beside the cut of its own; a share of next to nothing leaves the line of the GMACs finite.
func TestSpeedupOfSeveral(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*result.Row)
		want   string
	}{
		"batch":      {func(r *result.Row) { r.Batch = 1 }, "mctf, batch 16|mctf, batch 1"},
		"dtype":      {func(r *result.Row) { r.DType = "bfloat16" }, "mctf, float32|mctf, bfloat16"},
		"image size": {func(r *result.Row) { r.ImageSize = "384x384" }, "mctf|mctf, 384x384"},
		"model":      {func(r *result.Row) { r.Model = "deit" }, "m mctf|deit mctf"},
	} {
		rows := []result.Row{timedRow("mctf", `,"r":8`, "", 0.8, 1.1), timedRow("cut", `,"r":8`, "mctf", 0.8, 1.2)}
		for i, r := range rows[:2] {
			r.Speedup, r.GMACsShare = 1.5+0.25*float64(i), 0.02
			c.change(&r)
			rows = append(rows, r)
		}
		figure, err := Speedup(rows)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, entry := range figure.legend[1:3] {
			names = append(names, entry.name)
		}
		if got := strings.Join(names, "|"); got != c.want {
			t.Errorf("%s: legend %s, want %s", name, got, c.want)
		}
		if !strings.Contains(figure.Alt, "1.10 at 80% of the GMACs, cut 1.20; ") || !strings.HasSuffix(figure.Alt, "1.50 at 2% of the GMACs, cut 1.75") {
			t.Errorf("%s: %s", name, figure.Alt)
		}
		if _, err := figure.PNG(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
