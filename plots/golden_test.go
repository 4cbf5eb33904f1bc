package plots

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"math"
	"testing"

	"tokenfuse/lib/result"
)

// TestGolden compares every figure with its pictures, PNG and SVG, light and wide as it is made, and dark and
// as narrow as a column.
func TestGolden(t *testing.T) {
	for name, draw := range map[string]func() (*Figure, error){
		"flops-accuracy":       func() (*Figure, error) { return FLOPsAccuracy(exampleRows()) },
		"flops-accuracy-seeds": func() (*Figure, error) { return FLOPsAccuracy(seedRows()) },
		"throughput-accuracy":  func() (*Figure, error) { return ThroughputAccuracy(append(exampleRows(), speedRows()...)) },
		"ablation-bars":        func() (*Figure, error) { return AblationBars(criteriaRows()) },
		"ablation-bars-levels": func() (*Figure, error) { return AblationBars(seedRows()) },
		"tau-heat-map":         func() (*Figure, error) { return TauHeatMap(tauRows()) },
		"tokens-per-layer":     func() (*Figure, error) { return TokensPerLayer(tokenRows()) },
		"token-sizes":          func() (*Figure, error) { return TokenSizes(foregroundRows()) },
		"group-sizes":          func() (*Figure, error) { return GroupSizes(fusedLayers()...) },
		"foreground":           func() (*Figure, error) { return Foreground(foregroundRows()) },
		"overlay":              func() (*Figure, error) { return Overlay(disc(), "% of attention", exampleMaps()...) },
		"fused-tokens":         func() (*Figure, error) { return FusedTokens(disc(), fusedLayers()...) },
		"fused-tokens-colour":  func() (*Figure, error) { return FusedTokens(sunset(), fusedLayers()...) },
		"matching":             func() (*Figure, error) { return Matching(12, 1, examplePairs()...) },
		"scale":                func() (*Figure, error) { return Scale(scaleRows()) },
		"speedup":              func() (*Figure, error) { return Speedup(speedupRows()) },
		"training":             func() (*Figure, error) { return Training(trainingRows(6)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			figure, err := draw()
			if err != nil {
				t.Fatal(err)
			}
			compareGolden(t, figure, name+".png")
			compareGolden(t, figure, name+".svg")
			compareGolden(t, figure.Column().Dark(), name+"-column-dark.png")
			if narrow := figure.Column(); narrow.Width > ColumnWidth {
				t.Errorf("%v wide, want %v at most", narrow.Width, ColumnWidth)
			}
			for _, drawn := range []*Figure{figure, figure.Column().Dark()} {
				checkSVG(t, drawn)
			}
			if figure.Alt == "" {
				t.Error("nothing says in words what is to be seen")
			}
		})
	}
}

// checkSVG: an SVG is whole, as large as the figure, and its words are text.
func checkSVG(t *testing.T, figure *Figure) {
	t.Helper()
	svg, err := figure.SVG()
	if err != nil {
		t.Fatal(err)
	}
	var root struct {
		Width string `xml:"width,attr"`
	}
	if err := xml.Unmarshal(svg, &root); err != nil {
		t.Errorf("SVG: %v", err)
	}
	if want := fmt.Sprintf("%.5gpt", figure.Width.Points()); root.Width != want {
		t.Errorf("SVG is %s wide, want %s", root.Width, want)
	}
	if !bytes.Contains(svg, []byte("<text")) {
		t.Error("SVG without a word")
	}
}

func row(method, fusion string, gmacs, accuracy float64) result.Row {
	return result.Row{
		Model: "vit_fmnist_patch4_28", Method: method, Fusion: json.RawMessage(fusion),
		Dataset: "fashion-mnist", Split: "test", Samples: 10000, GMACs: gmacs, AccuracyTop1: accuracy,
	}
}

// seedRows are three methods at three targets and seeds, made up.
func seedRows() []result.Row {
	rows := []result.Row{row("none", `{"method":"none"}`, 0.0612, 0.9214)}
	for m, method := range []string{"mctf", "tome", "random-fusion"} {
		for k, target := range []string{"80%", "60%", "40%"} {
			for seed := range 3 {
				r := row(method, fmt.Sprintf(`{"method":%q,"r":%d,"seed":%d}`, method, 2*k+1, seed), 0.048-0.012*float64(k)+0.0004*float64(m),
					0.918-0.006*float64(m*(k+1))-0.008*float64(k)+0.003*math.Sin(float64(7*seed+k+3*m)))
				r.Seed, r.Target = int64(seed), target
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// speedRows are what a benchmark says of exampleRows, made up.
func speedRows() (rows []result.Row) {
	for i, r := range exampleRows() {
		r.AccuracyTop1, r.Samples, r.Dataset, r.Split = 0, 0, "", ""
		r.Batch = 64
		r.MillisecondsPerBatch = 2000*r.GMACs + 8*float64(i%3)
		r.MillisecondsQuartile1, r.MillisecondsQuartile3 = 0.97*r.MillisecondsPerBatch, 1.05*r.MillisecondsPerBatch
		r.ImagesPerSecond = 64000 / r.MillisecondsPerBatch
		rows = append(rows, r)
	}
	return rows
}

// criteriaRows are MCTF under each set of criteria, made up.
func criteriaRows() []result.Row {
	rows := []result.Row{row("none", `{"method":"none"}`, 0.0612, 0.9214)}
	for i, tau := range [][3]int{{1, 0, 0}, {0, 20, 0}, {0, 0, 40}, {1, 20, 0}, {1, 0, 40}, {0, 20, 40}, {1, 20, 40}} {
		rows = append(rows, row("mctf", fmt.Sprintf(`{"method":"mctf","r":8,"tau":{"similarity":%d,"informativeness":%d,"size":%d}}`, tau[0], tau[1], tau[2]),
			0.03, []float64{0.9012, 0.8621, 0.8433, 0.9108, 0.9071, 0.8790, 0.9147}[i]))
	}
	return rows
}

// tauRows are MCTF over two temperatures, made up; one pair is missing.
func tauRows() (rows []result.Row) {
	for i, info := range []string{"0", "5", "10", "20", "40", "80"} {
		for j, size := range []string{"0", "10", "20", "40", "80"} {
			if i == 5 && j == 4 {
				continue
			}
			rows = append(rows, row("mctf", fmt.Sprintf(`{"method":"mctf","r":8,"tau":{"similarity":1,"informativeness":%s,"size":%s}}`, info, size),
				0.03, 0.915-0.002*math.Pow(float64(i)-3, 2)-0.0015*math.Pow(float64(j)-3, 2)))
		}
	}
	return rows
}

// tokenRows are the tokens that leave 8 blocks.
func tokenRows() []result.Row {
	none, mctf, tome, evit := row("none", `{"method":"none"}`, 0.0612, 0.92), row("mctf", `{"method":"mctf","r":4}`, 0.03, 0.91),
		row("tome", `{"method":"tome","r":5}`, 0.03, 0.9), row("evit", `{"method":"evit","keep_rate":0.6}`, 0.03, 0.9)
	for i := range 8 {
		none.Tokens = append(none.Tokens, 50)
		mctf.Tokens = append(mctf.Tokens, max(10, 50-4*i))
		tome.Tokens = append(tome.Tokens, max(10, 45-5*i))
	}
	evit.Tokens = []int{50, 50, 31, 31, 20, 20, 13, 13}
	strong := mctf
	strong.Fusion, strong.Tokens = json.RawMessage(`{"method":"mctf","r":8}`), []int{50, 42, 34, 26, 18, 10, 10, 10}
	return []result.Row{none, mctf, strong, tome, evit}
}

// foregroundRows are what three methods make of a foreground at three costs, made up.
func foregroundRows() (rows []result.Row) {
	for m, method := range []string{"mctf", "tome", "evit"} {
		for k := range 3 {
			r := row(method, fmt.Sprintf(`{"method":%q,"r":%d}`, method, 8*(k+1)), 0.30-0.06*float64(k), 0.8)
			loss := float64(k+1) * 0.05
			r.Foreground = result.Foreground{
				ForegroundKept: 1, PatchesKept: 1, GroupPurity: 1 - loss*float64(m+1)/2, ForegroundPurity: 1 - loss*float64(m+1)/1.5,
				GroupPurityError: 0.003, ForegroundPurityError: 0.004, ForegroundSize: 1 + 2*loss*float64(m+2), BackgroundSize: 1 + 9*loss,
				ForegroundTokens: []float64{20 - 4*float64(k), 6, 2, float64(m)}, BackgroundTokens: []float64{60 - 12*float64(k), 20, 9, 5, 1.5},
			}
			if method == "evit" {
				r.ForegroundKept, r.PatchesKept, r.GroupPurity, r.ForegroundPurity = 1-1.1*loss, 1-4*loss, 1, 1
				r.ForegroundKeptError, r.PatchesKeptError = 0.006, 0.0001
				r.ForegroundSize, r.BackgroundSize = 1, 1
				r.ForegroundTokens, r.BackgroundTokens = []float64{30 - 6*float64(k)}, []float64{80 - 20*float64(k)}
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// exampleMaps grow from the middle, and to the right.
func exampleMaps() []Map {
	middle, right := Map{Title: "class attention", Rows: 7, Cols: 7}, Map{Title: "informativeness", Rows: 7, Cols: 7}
	for patch := range 49 {
		row, col := float64(patch/7), float64(patch%7)
		middle.Values = append(middle.Values, 6*math.Exp(-(math.Pow(row-3, 2)+math.Pow(col-3, 2))/6))
		right.Values = append(right.Values, 0.3+0.5*col)
	}
	right.Values[0] = math.NaN()
	return []Map{middle, right}
}

// fusedLayers are the tokens of 7x7 patches after two layers.
func fusedLayers() []Groups {
	first := alone(7, 7).fuse("layer 1", 0, 1, 7, 8).fuse("layer 1", 17, 24, 31).fuse("layer 1", 42, 48)
	second := first.fuse("layer 2", 0, 2, 3, 1, 7, 8).fuse("layer 2", 23, 25)
	second.Of[41], second.Of[47] = -1, -1
	return []Groups{first, second}
}

// sunset is a picture in colours, wider than high.
func sunset() image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, 84, 63))
	for y := range 63 {
		for x := range 84 {
			img.SetNRGBA(x, y, color.NRGBA{uint8(255 - 2*y), uint8(120 + x - y), uint8(60 + 3*y), 0xFF})
		}
	}
	return img
}

// examplePairs are of both directions, with a chain: 10 goes to 7, which goes to 4.
func examplePairs() []Pair {
	return []Pair{{From: 2, To: 5, Score: 0.91}, {From: 6, To: 5, Score: 0.874}, {From: 10, To: 7, Score: 0.82}, {From: 7, To: 4, Score: 0.79}, {From: 11, To: 8}}
}
