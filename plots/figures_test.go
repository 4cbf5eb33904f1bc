package plots

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/plot/plotter"

	"tokenfuse/lib/result"
)

// TestErrors: what cannot be drawn is refused in one line that says what to pass.
func TestErrors(t *testing.T) {
	tau := tauRows()
	tau[3].Fusion = json.RawMessage(`{"method":"mctf","r":16,"tau":{"similarity":1,"informativeness":0,"size":40}}`)
	twice := append(exampleRows()[:2], speedRows()[:2]...)
	twice = append(twice, speedRows()[1])
	untold := tauRows()
	untold[3].Fusion = json.RawMessage(`{"method":"mctf","r":8,"tau":{"similarity":1,"informativeness":0}}`)
	pooled := tauRows()
	pooled[3].Fusion = json.RawMessage(`{"method":"mctf","r":8,"pooling":"max","tau":{"similarity":1,"informativeness":0,"size":40}}`)
	elsewhere := append(foregroundRows(), foregroundRows()[0])
	elsewhere[len(elsewhere)-1].Split = "validation"
	tokens := append(tokenRows(), tokenRows()[1])
	tokens[len(tokens)-1].Dataset = "cifar10"
	other := criteriaRows()
	other[2].Model = "deit"
	grid := Groups{Rows: 1, Cols: 2, Of: []int{0, 3}}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"all failed":             {second(FLOPsAccuracy([]result.Row{{Model: "m", Method: "x", Sweep: result.Sweep{Error: "no memory"}}})), `plots: none of 1 rows holds a result: the first failed with "no memory"`},
		"no speed":               {second(ThroughputAccuracy(exampleRows())), "plots: no rows with an accuracy and a speed"},
		"two speeds":             {second(ThroughputAccuracy(twice)), "plots: \"vit_fmnist_patch4_28\" under \"mctf\" r=1 was timed twice, "},
		"only a base model":      {second(AblationBars(criteriaRows()[:1])), "plots: no rows but of the base model"},
		"two models":             {second(AblationBars(other)), `plots: bars of the models "vit_fmnist_patch4_28" and "deit"`},
		"one temperature":        {second(TauHeatMap(tauRows()[:5])), "plots: rows differ in 1 temperatures (tau.size), want 2"},
		"two amounts":            {second(TauHeatMap(tau)), "plots: rows differ in r beside two temperatures"},
		"a temperature left out": {second(TauHeatMap(untold)), "plots: rows differ in 1 temperatures (tau.informativeness), want 2"},
		"a setting left out":     {second(TauHeatMap(pooled)), "plots: rows differ in pooling beside two temperatures"},
		"sizes of two splits":    {second(TokenSizes(elsewhere)), `plots: rows of "fashion-mnist test" and "fashion-mnist validation" do not compare`},
		"tokens of two sets":     {second(TokensPerLayer(tokens)), `plots: rows of "fashion-mnist test" and "cifar10 test" do not compare`},
		"no tokens":              {second(TokensPerLayer(exampleRows())), "plots: no rows that say how many tokens"},
		"no sizes":               {second(TokenSizes(exampleRows())), "plots: no rows with foreground_tokens"},
		"no foreground":          {second(Foreground(exampleRows())), "plots: no rows with foreground_kept"},
		"no groups":              {second(GroupSizes()), "plots: no groups to draw"},
		"no map":                 {second(Overlay(disc(), "")), "plots: no map with a value"},
		"no image":               {second(Overlay(nil, "", exampleMaps()...)), "plots: the image is empty"},
		"a small map":            {second(Overlay(disc(), "", Map{Title: "t", Rows: 2, Cols: 2, Values: []float64{1}})), `plots: map "t" holds 1 values on a grid of 2x2`},
		"infinite":               {second(Overlay(disc(), "", Map{Rows: 1, Cols: 1, Values: []float64{math.Inf(1)}})), `plots: map "" holds +Inf for patch 0`},
		"attention's size":       {second(Informativeness("", 2, 2, 1, 3, make([]float32, 25))), "plots: an attention map of 25 values is not that of 3 heads, 1 protected tokens and 2x2 patches, which has 75"},
		"no class token":         {second(ClassAttention("", 2, 2, 0, 1, make([]float32, 16))), "plots: class attention with 0 protected tokens"},
		"too few values":         {second(grid.Spread([]float64{1})), `plots: groups "" name token 3, values are of 1 tokens`},
		"one column":             {second(Matching(4, 0, Pair{From: 0, To: 2})), "plots: token 0 cannot go to 2: both are in one column"},
		"not there":              {second(Matching(4, 0, Pair{From: 3, To: 4})), "plots: token 3 cannot go to 4: there are 4 tokens"},
		"protected":              {second(Matching(4, 1, Pair{From: 3, To: 0})), "plots: token 3 cannot go to 0: the first 1 tokens are protected"},
		"twice":                  {second(Matching(6, 0, Pair{From: 0, To: 1}, Pair{From: 0, To: 3})), "plots: token 0 cannot go to 3: token 0 went before"},
		"no tokens at all":       {second(Matching(0, 0)), "plots: a matching of 0 tokens"},
		"a long list":            {second(Matching(197, 1)), "plots: a matching of more than 64 tokens without pairs"},
		"no frames":              {second((&Animation{}).GIF()), "plots: the animation has no frames"},
		"a strange file":         {(&Animation{}).Save("a.svg"), `plots: cannot save "a.svg": unknown format ".svg"`},
	} {
		if c.err == nil || !strings.HasPrefix(c.err.Error(), c.want) || strings.Contains(c.err.Error(), "\n") {
			t.Errorf("%s: error %v, want %s", name, c.err, c.want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestQuartiles: of 64 images in 100 ms at the median, 80 and 160 at the quartiles, 400 to 800 images/s.
func TestQuartiles(t *testing.T) {
	timed := result.Row{ImagesPerSecond: 640, Timing: result.Timing{Batch: 64, MillisecondsPerBatch: 100, MillisecondsQuartile1: 80, MillisecondsQuartile3: 160}}
	if low, high := quartiles(timed); low != 400 || high != 800 {
		t.Errorf("quartiles %g, %g", low, high)
	}
}

// TestFrontOverSpeed: of 90% at 100 images/s, 80% at 200 and 70% at 150, the last is beaten.
func TestFrontOverSpeed(t *testing.T) {
	var rows []result.Row
	for i, speed := range []float64{100, 200, 150} {
		r := row("mctf", fmt.Sprintf(`{"r":%d}`, i), 0, []float64{0.9, 0.8, 0.7}[i])
		r.ImagesPerSecond = speed
		rows = append(rows, r)
	}
	figure, err := ThroughputAccuracy(rows)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range figure.legend {
		if entry.name == "Pareto front" {
			if got := fmt.Sprint(entry.thumbnails[0].(*plotter.Line).XYs); got != "[{200 80} {100 90}]" {
				t.Errorf("front through %s", got)
			}
			return
		}
	}
	t.Error("no front")
}

// TestCriteriaNames: rows are named after their criteria only where that tells them apart.
func TestCriteriaNames(t *testing.T) {
	const all = `"tau":{"similarity":1,"informativeness":20,"size":40}`
	for name, c := range map[string]struct {
		fusions []string
		want    string
	}{
		"by criteria":        {[]string{`{` + all + `}`, `{"tau":{"similarity":1,"informativeness":0,"size":0}}`}, "similarity + informativeness + size, similarity"},
		"other amounts":      {[]string{`{"r":1,` + all + `}`, `{"r":2,` + all + `}`}, "similarity + informativeness + size"},
		"other temperatures": {[]string{`{` + all + `}`, `{"tau":{"similarity":1,"informativeness":10,"size":40}}`}, "mctf tau.informativeness=20, mctf tau.informativeness=10"},
		"other settings":     {[]string{`{"pooling":"size",` + all + `}`, `{"pooling":"max",` + all + `}`}, "mctf pooling=size, mctf pooling=max"},
		"none on":            {[]string{`{"tau":{"similarity":0,"informativeness":0,"size":0}}`}, "no criterion"},
		"one of one's own":   {[]string{`{"tau":{"similarity":1,"overlooked":2}}`}, "similarity + overlooked"},
		"no temperatures":    {[]string{`{"pooling":"size"}`}, "mctf"},
	} {
		var rows []result.Row
		for _, fusion := range c.fusions {
			rows = append(rows, row("mctf", fusion, 1, 0.5))
		}
		if got := strings.Join(namesOf(linesOf(byCriteria(rows))), ", "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string]string{
		"similarity + size":                    "similarity + size",
		"similarity + informativeness + size":  "similarity +\ninformativeness + size",
		"mctf tau.informativeness=20.00000000": "mctf\ntau.informativeness=20.00000000",
		"":                                     "",
	} {
		if got := wrap(text, 22); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// TestAttentionMaps: two heads, a class token and two patches, by hand. The class token's row, patches only:
// head 0 (0.3, 0.5), head 1 (0.1, 0.1): means 20% and 30%. Columns over all six rows: patch 0
// (0.3 + 0 + 1 + 0.1 + 0.2 + 0.2)/6 = 30%, patch 1 (0.5 + 0 + 0 + 0.1 + 0.2 + 0.4)/6 = 20%.
func TestAttentionMaps(t *testing.T) {
	attention := []float32{
		0.2, 0.3, 0.5, 1, 0, 0, 0, 1, 0,
		0.8, 0.1, 0.1, 0.6, 0.2, 0.2, 0.4, 0.2, 0.4,
	}
	class, err := ClassAttention("c", 1, 2, 1, 2, attention)
	if err != nil || fmt.Sprintf("%.3f", class.Values) != "[20.000 30.000]" {
		t.Errorf("class attention %v, %v", class.Values, err)
	}
	info, err := Informativeness("i", 1, 2, 1, 2, attention)
	if err != nil || fmt.Sprintf("%.3f", info.Values) != "[30.000 20.000]" {
		t.Errorf("informativeness %v, %v", info.Values, err)
	}
	spread, err := Groups{Title: "g", Rows: 1, Cols: 3, Of: []int{1, -1, 1}}.Spread([]float64{9, 5})
	if err != nil || fmt.Sprint(spread.Values) != "[5 NaN 5]" || spread.Title != "g" {
		t.Errorf("spread %v, %v", spread, err)
	}
}

// TestGroupSizeBins: sizes 1, 2, 3 and 4 are in the bins 1, 2 to 3, 2 to 3 and 4 to 7.
func TestGroupSizeBins(t *testing.T) {
	figure, err := GroupSizes(Groups{Title: "g", Rows: 2, Cols: 5, Of: []int{0, 1, 1, 2, 2, 2, 3, 3, 3, 3}})
	if err != nil || !strings.HasSuffix(figure.Alt, "g 1 of 1, 2 of 2–3, 1 of 4–7") {
		t.Errorf("%v, %v", figure, err)
	}
}

// TestAllDropped: where no token is left, an empty plot is drawn.
func TestAllDropped(t *testing.T) {
	figure, err := GroupSizes(Groups{Title: "g", Rows: 1, Cols: 2, Of: []int{-1, -1}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := figure.PNG(); err != nil {
		t.Error(err)
	}
}

// TestColoursAreOfMethods: a method has the same colour in each figure, base models beside it or not.
func TestColoursAreOfMethods(t *testing.T) {
	rows := append([]result.Row{row("none", "", 0.4, 0.9)}, foregroundRows()...)
	rows[0].Foreground = result.Foreground{ForegroundKept: 1, ForegroundTokens: []float64{25}}
	for name, draw := range map[string]func([]result.Row) (*Figure, error){"accuracy": FLOPsAccuracy, "foreground": Foreground} {
		figure, err := draw(rows)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range colours[:3] {
			entry := figure.legend[1+i] // behind the base model
			if got := entry.thumbnails[0].(*plotter.Line).Color; got != want {
				t.Errorf("%s: %s is %v, want %v", name, entry.name, got, want)
			}
		}
	}
	figure, err := TokenSizes(rows)
	if err != nil {
		t.Fatal(err)
	}
	if base, mctf := figure.legend[0].thumbnails[0], figure.legend[1].thumbnails[0]; base != (swatch{ink}) || mctf != (swatch{colours[0]}) {
		t.Errorf("sizes: %v and %v", base, mctf)
	}
}

// TestMatchingOfMany draws 197 tokens: only those in pairs.
func TestMatchingOfMany(t *testing.T) {
	figure, err := Matching(197, 1, Pair{From: 100, To: 51}, Pair{From: 102, To: 51})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := figure.PNG(); err != nil {
		t.Error(err)
	}
	if figure.Height > 100 {
		t.Errorf("%v high for two rows", figure.Height)
	}
}

// TestOnDark: greys are mirrored, colours and what lies on images stay.
func TestOnDark(t *testing.T) {
	blue := color.NRGBA{0, 0x72, 0xB2, 0x88}
	for name, c := range map[string]struct{ colour, want color.Color }{
		"paper":  {color.White, grey(0x11)},
		"ink":    {color.Black, grey(0xFF)},
		"half":   {color.NRGBA{0x80, 0x80, 0x80, 0x40}, color.NRGBA{0x88, 0x88, 0x88, 0x40}},
		"colour": {blue, blue},
		"fixed":  {fixed{grey(0)}, grey(0)},
		"none":   {nil, grey(0xFF)},
	} {
		if got := onDark(c.colour); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestDarkLeavesLight: a dark figure shares the plots of the light one, which stays light; corners are paper.
func TestDarkLeavesLight(t *testing.T) {
	figure, err := Training(trainingRows(2))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		figure *Figure
		want   uint8
	}{{figure.Dark(), 0x11}, {figure, 0xFF}, {Strip(figure.Dark()), 0x11}} {
		file, err := c.figure.PNG()
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		size := img.Bounds().Size()
		for _, corner := range []image.Point{{0, 0}, {size.X - 1, 0}, {0, size.Y - 1}, {size.X - 1, size.Y - 1}} {
			if got := at(img, corner.X, corner.Y); got != grey(c.want) {
				t.Errorf("corner %v is %v, want %v", corner, got, grey(c.want))
			}
		}
	}
}

// TestAnimation: the frames of the GIF file are the figures, to within a few levels of their colours.
func TestAnimation(t *testing.T) {
	animation, err := AnimateTokens(sunset(), fusedLayers()...)
	if err != nil {
		t.Fatal(err)
	}
	animation.Delay = 500 * time.Millisecond
	path := filepath.Join(t.TempDir(), "tokens.gif")
	if err := animation.Dark().Save(path); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	movie, err := gif.DecodeAll(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(movie.Delay, movie.LoopCount); got != "[50 50 100] 0" {
		t.Errorf("delays and loops %s", got)
	}
	for i, frame := range animation.Dark().Frames {
		file, err := frame.PNG()
		if err != nil {
			t.Fatal(err)
		}
		want, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if off := meanDifference(movie.Image[i], want); off > 4 {
			t.Errorf("frame %d is %.1f levels off", i, off)
		}
	}
	if _, err := animation.PNG(); err != nil {
		t.Error(err)
	}
	animation.Frames[1].Width /= 2
	if _, err := animation.GIF(); err == nil {
		t.Error("frames of two sizes were written")
	}
}

// meanDifference is that of all channels of two pictures.
func meanDifference(a, b image.Image) float64 {
	size := b.Bounds().Size()
	if a.Bounds().Size() != size {
		return math.Inf(1)
	}
	sum := 0.0
	for y := range size.Y {
		for x := range size.X {
			p, q := at(a, x, y), at(b, x, y)
			sum += math.Abs(float64(p.R)-float64(q.R)) + math.Abs(float64(p.G)-float64(q.G)) + math.Abs(float64(p.B)-float64(q.B))
		}
	}
	return sum / float64(3*size.X*size.Y)
}

// TestPalette: few colours stay as they are, one too.
func TestPalette(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	for n, second := range map[int]color.NRGBA{1: {0, 0, 0, 0xFF}, 2: {1, 2, 3, 0xFF}} {
		img.SetNRGBA(0, 0, grey(0))
		img.SetNRGBA(1, 0, second)
		if palette := paletteOf([]image.Image{img}); len(palette) != n || palette.Convert(second) != second {
			t.Errorf("%d colours, want %d: %v", len(palette), n, palette)
		}
	}
}

// TestData: a figure of rows knows them, in both themes, and no other does.
func TestData(t *testing.T) {
	rows := []result.Row{row("none", "", 1, 0.9), row("tome", `{"r":1}`, 0.5, 0.8)}
	figure, err := FLOPsAccuracy(rows)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := figure.Dark().Data().([]result.Row); !ok || len(got) != 2 {
		t.Errorf("data %v", figure.Dark().Data())
	}
	if figure, err = Training(trainingRows(1)); err != nil {
		t.Fatal(err)
	}
	if got, ok := figure.Data().([]result.TrainingRow); !ok || len(got) != 2 {
		t.Errorf("data %v", figure.Data())
	}
	if figure = Strip(figure); figure.Data() != nil {
		t.Errorf("a strip's data are %v", figure.Data())
	}
}

// TestTicksUpTo: an axis of shares marks none above all.
func TestTicksUpTo(t *testing.T) {
	ticks := ticksUpTo(100).Ticks(99.5, 100.5)
	if len(ticks) < 2 {
		t.Fatalf("%d ticks", len(ticks))
	}
	for _, tick := range ticks {
		if tick.Value > 100 {
			t.Errorf("a tick at %v", tick.Value)
		}
	}
}

// TestAspectRange: shares that are all 100% stay one line, on an axis of ten points.
func TestAspectRange(t *testing.T) {
	lines := linesOf([]result.Row{row("mctf", `{"r":1}`, 0.03, 0.9), row("mctf", `{"r":2}`, 0.02, 0.9)})
	panel := aspectPanel("kept", "%", lines, aspect{least: 10, most: 100, of: func(result.Row) (float64, float64) { return 100, 0 }})
	if y := panel.Plot.Y; y.Max-y.Min != 10 || y.Min != 95 {
		t.Errorf("from %g to %g", y.Min, y.Max)
	}
}
