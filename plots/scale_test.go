package plots

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot/plotter"

	"tokenfuse/lib/result"
)

// scaleRows are made up: time grows with the square of the size, memory less.
func scaleRows() (rows []result.Row) {
	for _, size := range []int{224, 384, 512, 1024} {
		for method, factor := range map[string]float64{"none": 1, "mctf": 1.7} {
			area := float64(size*size) / (224 * 224)
			rows = append(rows, result.Row{Model: "m", Method: method, ImagesPerSecond: 20 * factor / area,
				Timing: result.Timing{Batch: 1, ImageSize: fmt.Sprintf("%dx%d", size, size), PeakMebibytes: 400 + 60*area/factor}})
		}
	}
	slices.SortStableFunc(rows, func(a, b result.Row) int { return strings.Compare(b.Method, a.Method) })
	return rows
}

func ExampleScale() {
	figure, err := Scale([]result.Row{
		{Model: "m", Method: "none", ImagesPerSecond: 20, Timing: result.Timing{Batch: 1, ImageSize: "224x224"}},
		{Model: "m", Method: "none", ImagesPerSecond: 5, Timing: result.Timing{Batch: 1, ImageSize: "448x448"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(figure)
	// Output: Cost over image size from 224x224 to 448x448: base model
}

// TestScaleValues looks at what is drawn: sizes in order, milliseconds of an image, GiB.
func TestScaleValues(t *testing.T) {
	rows := scaleRows()
	slices.Reverse(rows)
	figure, err := Scale(rows)
	if err != nil {
		t.Fatal(err)
	}
	if len(figure.Parts) != 2 {
		t.Fatalf("%d panels, want 2", len(figure.Parts))
	}
	for i, want := range [][2]float64{{50, 50 * 1024 * 1024 / (224. * 224)}, {460. / 1024, (400 + 60*1024*1024/(224.*224)) / 1024}} {
		for _, entry := range figure.Parts[i].legend {
			if entry.name != "base model" {
				continue
			}
			xys := entry.thumbnails[0].(*plotter.Line).XYs
			if len(xys) != 4 || xys[0].X != 224 || xys[3].X != 1024 || math.Abs(xys[0].Y-want[0]) > 1e-9 || math.Abs(xys[3].Y-want[1]) > 1e-9 {
				t.Errorf("panel %d: %v, want %v to %v", i, xys, want[0], want[1])
			}
		}
	}
	for i := range rows {
		rows[i].PeakMebibytes = 0
	}
	if figure, err = Scale(rows); err != nil || len(figure.Parts) > 1 {
		t.Errorf("without memory: %v, %v", figure, err)
	}
	// Of one size, it is the batch that varies.
	for i := range rows {
		rows[i].ImageSize, rows[i].Batch = "224x224", len(rows)-i
	}
	if figure, err = Scale(rows); err != nil {
		t.Fatal(err)
	}
	if want := "Cost over batch from 1 to 8: base model; mctf"; figure.String() != want {
		t.Errorf("%s, want %s", figure, want)
	}
	for _, entry := range figure.Parts[0].legend {
		if xys := entry.thumbnails[0].(*plotter.Line).XYs; len(xys) != 4 || xys[0].X >= xys[3].X || xys[3].X > 8 {
			t.Errorf("%s: %v", entry.name, xys)
		}
	}
	if _, err := Scale([]result.Row{{Model: "m", Method: "none"}}); err == nil {
		t.Error("rows without a size were drawn")
	}
}

// TestPowers: each axis has marks enough to read a value by.
func TestPowers(t *testing.T) {
	for _, span := range [][2]float64{{1, 3}, {1.4, 3.8}, {0.2, 1000}, {97, 101}} {
		marked := 0
		for _, tick := range (powers{}).Ticks(span[0], span[1]) {
			if tick.Label != "" && tick.Value >= span[0] && tick.Value <= span[1] {
				marked++
			}
		}
		if marked < 2 {
			t.Errorf("%v has %d marks", span, marked)
		}
	}
}
