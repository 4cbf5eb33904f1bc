package plots

import (
	"bytes"
	"flag"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/cmpimg"
	"gonum.org/v1/plot/vg"
)

var update = flag.Bool("update", false, "write the pictures in testdata anew")

// compareGolden compares by tolerance: the last bit of a picture differs between processors.
func compareGolden(t *testing.T, f *Figure, name string) {
	t.Helper()
	format, draw := "png", f.PNG
	if strings.HasSuffix(name, ".svg") {
		format, draw = "svg", f.SVG
	}
	got, err := draw()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := cmpimg.EqualApprox(format, got, want, 0.1); err != nil || !same {
		drawn := filepath.Join(t.ArtifactDir(), name)
		os.WriteFile(drawn, got, 0o644)
		t.Errorf("%s is drawn otherwise (error %v): look at %s (kept by -artifacts), then go test -update", path, err, drawn)
	}
}

func TestSave(t *testing.T) {
	figure, err := FLOPsAccuracy(exampleRows())
	if err != nil {
		t.Fatal(err)
	}
	for name, start := range map[string]string{
		"a.png": "\x89PNG\r\n", "a.svg": "<?xml", "a.pdf": "%PDF-", "B.PNG": "\x89PNG\r\n",
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := figure.Save(path); err != nil {
			t.Error(err)
			continue
		}
		file, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(file), start) {
			t.Errorf("%s begins %.8q (error %v)", name, file, err)
		}
		if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
			t.Errorf("%s: files left: %v", name, entries)
		}
	}
}

func TestSaveErrors(t *testing.T) {
	good, err := FLOPsAccuracy(exampleRows())
	if err != nil {
		t.Fatal(err)
	}
	logarithmic, err := FLOPsAccuracy(exampleRows())
	if err != nil {
		t.Fatal(err)
	}
	logarithmic.Plot.X.Min = -1
	logarithmic.Plot.X.Scale = plot.LogScale{}
	dir := t.TempDir()
	for name, c := range map[string]struct {
		figure     *Figure
		path, want string
	}{
		"unknown format": {good, "a.jpg", `: unknown picture format ".jpg": use .png, .svg or .pdf`},
		"no format":      {good, "a", `: unknown picture format "": use .png, .svg or .pdf`},
		"no folder":      {good, "none/a.png", ": open "},
		"no size":        {&Figure{}, "a.png", ": the figure has no size: set Width and Height"},
		"gonum's panic":  {logarithmic, "a.png", ": cannot draw the figure: Values must be greater than 0 for a log scale."},
	} {
		path := filepath.Join(dir, c.path)
		want := fmt.Sprintf("plots: cannot save %q", path) + c.want
		if err := c.figure.Save(path); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %s", name, err, want)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("files left: %v", entries)
	}
}

func TestSVGFallsBackToSans(t *testing.T) {
	figure, err := FLOPsAccuracy(exampleRows())
	if err != nil {
		t.Fatal(err)
	}
	svg, err := figure.SVG()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"font-family:Liberation Sans,Arial,Helvetica,sans-serif;", "Top-1 accuracy (%)", ">mctf<"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("no %q in the SVG", want)
		}
	}
}

func TestStripAndStack(t *testing.T) {
	part := func(width, height vg.Length, alt string) *Figure {
		return &Figure{Plot: newPlot(), Width: width, Height: height, Alt: alt}
	}
	a, b := part(72, 144, "a"), part(36, 36, "b")
	for name, c := range map[string]struct {
		figure        *Figure
		width, height int
		alt           string
	}{
		"strip":    {Strip(a, b), 225, 300, "a; b"},
		"stack":    {Stack(a, b), 150, 375, "a; b"},
		"nested":   {Stack(Strip(a, a), b), 300, 375, "a; b"},
		"one":      {Strip(b), 75, 75, "b"},
		"same alt": {Strip(b, b), 150, 75, "b"},
	} {
		file, err := c.figure.PNG()
		if err != nil {
			t.Fatal(err)
		}
		config, err := png.DecodeConfig(bytes.NewReader(file))
		if err != nil || config.Width != c.width || config.Height != c.height {
			t.Errorf("%s: %dx%d pixels, want %dx%d (error %v)", name, config.Width, config.Height, c.width, c.height, err)
		}
		if c.figure.String() != c.alt {
			t.Errorf("%s: alt %q, want %q", name, c.figure, c.alt)
		}
	}
}

func TestRoundTicks(t *testing.T) {
	for name, c := range map[string]struct {
		low, high float64
		want      string
	}{
		"percent":  {89.3, 92.9, "89.5 90.0 90.5 91.0 91.5 92.0 92.5"},
		"gmacs":    {0.8, 4.8, "1 2 3 4"},
		"small":    {0.0325, 0.0621, "0.035 0.040 0.045 0.050 0.055 0.060"},
		"signed":   {-1, 1, "-1.0 -0.5 0.0 0.5 1.0"},
		"thousand": {1000, 9000, "2000 4000 6000 8000"},
		"empty":    {1, 1, ""},
	} {
		var labels []string
		for _, tick := range (roundTicks{}).Ticks(c.low, c.high) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
