package plots

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"gonum.org/v1/plot/plotter"

	"tokenfuse/lib/result"
)

// exampleRows are made up, in the manner of a small model on Fashion-MNIST.
func exampleRows() []result.Row {
	row := func(method, fusion string, gmacs, accuracy float64) result.Row {
		return result.Row{
			Model: "vit_fmnist_patch4_28", Method: method, Fusion: json.RawMessage(fusion),
			Dataset: "fashion-mnist", Split: "test", Samples: 10000, GMACs: gmacs, AccuracyTop1: accuracy,
		}
	}
	return []result.Row{
		row("none", `{"method":"none"}`, 0.0612, 0.9214),
		row("mctf", `{"method":"mctf","r":1}`, 0.0551, 0.9216),
		row("mctf", `{"method":"mctf","r":4}`, 0.0361, 0.9142),
		row("mctf", `{"method":"mctf","r":2}`, 0.0486, 0.9208),
		row("mctf", `{"method":"mctf","r":3}`, 0.0420, 0.9188),
		row("tome", `{"method":"tome","r":1}`, 0.0545, 0.9203),
		row("tome", `{"method":"tome","r":2}`, 0.0478, 0.9177),
		row("tome", `{"method":"tome","r":3}`, 0.0412, 0.9122),
		row("tome", `{"method":"tome","r":4}`, 0.0352, 0.9011),
	}
}

func ExampleFLOPsAccuracy() {
	figure, err := FLOPsAccuracy([]result.Row{
		{Model: "deit_small_patch16_224", Method: "none", GMACs: 4.61, AccuracyTop1: 0.798, Samples: 50000},
		{Model: "deit_small_patch16_224", Method: "mctf", GMACs: 2.60, AccuracyTop1: 0.801, Samples: 50000},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	figure.Plot.Title.Text = "ImageNet-1K"
	fmt.Println(figure)
	// Output: Top-1 accuracy over GMACs of base model, mctf: 2 points, 79.8% to 80.1%, 2.6 to 4.61 GMACs
}

// TestAddSeries looks at the values drawn: sorted by GMACs, seeds averaged, failed rows left out.
func TestAddSeries(t *testing.T) {
	figure, err := FLOPsAccuracy([]result.Row{
		{Model: "m", Method: "tome", GMACs: 3, AccuracyTop1: 0.75}, {Model: "m", Method: "tome", GMACs: 1, AccuracyTop1: 0.25},
		{Model: "m", Method: "tome", GMACs: 2, AccuracyTop1: 0.5}, {Model: "m", Method: "tome", GMACs: 2, AccuracyTop1: 0.625, Seed: 1},
		{Model: "m", Method: "tome", Sweep: result.Sweep{Error: "out of memory"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	line := figure.legend[0].thumbnails[0].(*plotter.Line)
	scatter := figure.legend[0].thumbnails[1].(*plotter.Scatter)
	if got := fmt.Sprint(line.XYs); got != "[{1 25} {2 56.25} {3 75}]" {
		t.Errorf("line through %s", got)
	}
	if got := fmt.Sprint(scatter.XYs); got != "[{1 25} {2 56.25} {3 75}]" {
		t.Errorf("points at %s", got)
	}
}

// TestIntervals: of one seed Wilson's, of several Student's, here with t = 4.302653 and a standard error of
// 10/sqrt(3); images of 50 things are 50 samples; unknown samples have none.
func TestIntervals(t *testing.T) {
	groups := make([]int, 100)
	for i := range groups {
		groups[i] = i / 2
	}
	pairs, err := result.EncodeGroups(groups)
	if err != nil {
		t.Fatal(err)
	}
	bars := intervals([]setting{
		{{AccuracyTop1: 0.5, Samples: 100}},
		{{AccuracyTop1: 0.5}},
		{{AccuracyTop1: 1, Samples: 10}},
		{{AccuracyTop1: 0.5, Samples: 100, Sweep: result.Sweep{Groups: pairs}}},
		{{AccuracyTop1: 0.4, Samples: 10}, {AccuracyTop1: 0.5, Samples: 10}, {AccuracyTop1: 0.6, Samples: 10}},
	}, axis{of: func(result.Row) float64 { return 1 }}, ink)
	if got := fmt.Sprintf("%.2f", bars.YErrors); got != "[{9.62 9.62} {27.75 0.00} {13.36 13.36} {24.84 24.84}]" {
		t.Errorf("errors %s", got)
	}
}

func TestFLOPsAccuracySeries(t *testing.T) {
	rows := exampleRows()
	for i := range rows {
		rows[i].Samples = 0
	}
	deit := rows[0]
	deit.Model, deit.GMACs = "deit", 1.26
	mine := rows[1]
	mine.Label = "mine"
	for name, c := range map[string]struct {
		rows []result.Row
		want string
	}{
		"methods":    {rows, "base model, mctf, tome, Pareto front"},
		"labels":     {[]result.Row{rows[1], mine}, "mctf, mine, Pareto front"},
		"models":     {[]result.Row{rows[0], deit}, "vit_fmnist_patch4_28 base model, deit base model"},
		"one row":    {rows[1:2], "mctf"},
		"no base":    {rows[1:3], "mctf, Pareto front"},
		"zero GMACs": {[]result.Row{{Model: "m", Method: "x"}}, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			figure, err := FLOPsAccuracy(c.rows)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, e := range figure.legend {
				names = append(names, e.name)
			}
			if got := strings.Join(names, ", "); got != c.want {
				t.Errorf("legend %q, want %q", got, c.want)
			}
			if _, err := figure.PNG(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFLOPsAccuracyErrors(t *testing.T) {
	other := exampleRows()
	other[3].Dataset = "cifar10"
	for name, c := range map[string]struct {
		rows []result.Row
		want string
	}{
		"no rows":          {nil, "plots: no rows to draw: pass the rows of a run"},
		"percent":          {[]result.Row{{Model: "m", Method: "x", AccuracyTop1: 79.8}}, `plots: row 1: accuracy_top1 is "79.8": want a fraction in [0, 1]`},
		"several datasets": {other, `plots: rows of "fashion-mnist test" and "cifar10 test" do not compare: draw them apart`},
	} {
		if _, err := FLOPsAccuracy(c.rows); err == nil || err.Error() != c.want {
			t.Errorf("%s: error %v, want %s", name, err, c.want)
		}
	}
}
