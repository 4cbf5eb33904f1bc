package ablation

import (
	"context"
	"iter"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/google/go-cmp/cmp"

	"tokenfuse/datasets"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/result"
	"tokenfuse/lib/vit"
)

func TestSample(t *testing.T) {
	for name, c := range map[string]struct {
		values              []float64
		articles            []int
		mean, standardError float64
	}{
		"none":              {nil, nil, 0, 0},
		"NaN alone":         {[]float64{math.NaN()}, []int{0}, 0, 0},
		"one":               {[]float64{3}, []int{0}, 3, 0},
		"apart":             {[]float64{1, 2, 3}, []int{0, 1, 2}, 2, 1 / math.Sqrt(3)},
		"pairs":             {[]float64{1, 3, 1, 3}, []int{0, 1, 0, 1}, 2, 1}, // as 1 and 3 alone
		"unlike pairs":      {[]float64{1, 1, 3, 3}, []int{0, 1, 0, 1}, 2, 0},
		"NaN left out":      {[]float64{1, math.NaN(), 3}, []int{0, 1, 2}, 2, 1},
		"of unequal number": {[]float64{0, 0, 3}, []int{0, 0, 1}, 1, math.Sqrt((4+4)*2) / 3},
	} {
		var s sample
		for i, v := range c.values {
			s.add(c.articles[i], v)
		}
		if mean, standardError := s.mean(); math.Abs(mean-c.mean) > 1e-12 || math.Abs(standardError-c.standardError) > 1e-12 {
			t.Errorf("%s: %v, %v; want %v, %v", name, mean, standardError, c.mean, c.standardError)
		}
	}
}

func TestBySize(t *testing.T) {
	if diff := cmp.Diff([]float64{2, 2, 1, 0, 1}, bySize([]int{1, 3, 1, 2, 7, 16})); diff != "" {
		t.Error(diff)
	}
}

// clutteredShapes are 10 shapes of 8x8 in 2 clutters on a canvas of 16x16, and a model that takes them.
func clutteredShapes(t *testing.T) (*vit.Model, *datasets.Cluttered) {
	t.Helper()
	shapes, err := datasets.Shapes(10, 8, 1)
	if err != nil {
		t.Fatal(err)
	}
	shapes.Split = datasets.Test
	images, err := datasets.Clutter{Canvas: 16, Distractors: 2, Piece: 3, Clutters: 2, Seed: 1}.Around(shapes)
	if err != nil {
		t.Fatal(err)
	}
	m, err := vit.New(vit.Config{ImageSize: vit.ImageSize{Height: 16, Width: 16}, PatchSize: 4, Channels: 3,
		Dim: 12, Depth: 3, Heads: 3, MLPRatio: 2, Classes: 4}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m, images
}

// TestMeasureForeground runs every kind of method: what fuses keeps all, what drops keeps so many
// patches, and tokens of all sizes are as many as leave the block.
func TestMeasureForeground(t *testing.T) {
	m, images := clutteredShapes(t)
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spec string
		keep float64 // of the patches, behind the last block; 0: depends on the image
	}{
		"base": {"none", 1}, "fusing": {"tome:r=3", 1}, "MCTF": {"mctf:r=3,layers=1-2", 1}, "at random": {"random-fusion:r=3", 1},
		"choosing": {"topk:keep_rate=0.5,layers=1", 0.5}, "EViT": {"evit:keep_rate=0.5,layers=1", 1},
		"dropping at random": {"random-drop:keep_rate=0.25,layers=2", 0.25},
		"adaptive":           {"ats:keep_rate=0.5,layers=1-2", 0}, "mixing": {"sit:keep_rate=0.5,layers=1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			method, err := fusion.Parse(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Learn(method, 1); err != nil {
				t.Fatal(err)
			}
			classifier, err := m.WithBackend(backend, method)
			if err != nil {
				t.Fatal(err)
			}
			defer classifier.Close()
			layers, err := MeasureForeground(t.Context(), classifier, images)
			if err != nil {
				t.Fatal(err)
			}
			if len(layers) != 3 {
				t.Fatalf("%d layers", len(layers))
			}
			first, last := layers[0], layers[2]
			switch {
			case c.keep > 0 && math.Abs(last.PatchesKept-c.keep) > 1e-9:
				t.Errorf("%v of the patches are kept, want %v", last.PatchesKept, c.keep)
			case c.keep == 1 && last.ForegroundKept != 1:
				t.Errorf("nothing is dropped, but %v of the foreground kept", last.ForegroundKept)
			case c.keep != 1 && !(last.ForegroundKept < 1 && last.ForegroundKeptError > 0):
				t.Errorf("patches are dropped, but %v +- %v of the foreground kept", last.ForegroundKept, last.ForegroundKeptError)
			case last.ForegroundKept > first.ForegroundKept || last.ForegroundPurity > first.ForegroundPurity && c.keep == 1:
				t.Errorf("what is lost comes back: %+v, then %+v", first, last)
			}
			row := result.Row{Model: "m", Method: method.Name(), Foreground: last}
			if err := row.Validate(); err != nil {
				t.Error(err)
			}
			if c.keep == 0 {
				return
			}
			total := 0.0
			for _, n := range append(last.ForegroundTokens, last.BackgroundTokens...) {
				total += n
			}
			if want := float64(classifier.Tokens[2] - 1); total > want+1e-9 || name != "mixing" && total < want-1e-9 {
				t.Errorf("%v tokens, want %v", total, want)
			}
		})
	}
}

// TestMeasureForegroundInBatches: each image of a later batch meets its own foreground.
func TestMeasureForegroundInBatches(t *testing.T) {
	m, images := clutteredShapes(t)
	more := *images
	more.Clutter.Clutters = 6
	images, err := more.Clutter.Around(images.Articles())
	if err != nil {
		t.Fatal(err)
	}
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	classifier, err := m.WithBackend(backend, fusion.RandomDrop{KeepRate: 0.5, Layers: []int{1}})
	if err != nil {
		t.Fatal(err)
	}
	defer classifier.Close()
	layers, err := MeasureForeground(t.Context(), classifier, images)
	if err != nil {
		t.Fatal(err)
	}
	var kept float64
	for all, err := range images.Stream(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		traced, err := classifier.Trace(tensors.FromFlatDataAndDimensions(all.Images, 60, 3, 16, 16))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 60 {
			shares, err := images.ForegroundShares(i, 4)
			if err != nil {
				t.Fatal(err)
			}
			f, err := ForegroundOf(traced.Sources(i)[2], shares, 1)
			if err != nil {
				t.Fatal(err)
			}
			kept += f.Kept / 60
		}
	}
	if got := layers[2].ForegroundKept; math.Abs(got-kept) > 1e-9 {
		t.Errorf("%v is kept, image by image %v", got, kept)
	}
}

// streamed counts how often images are gone through.
type streamed struct {
	*datasets.Cluttered
	times int
}

func (s *streamed) Stream(ctx context.Context, size int) iter.Seq2[datasets.Batch, error] {
	s.times++
	return s.Cluttered.Stream(ctx, size)
}

// TestStudyForeground: rows are those of Run, with the foreground, by one pass over the images for each method.
func TestStudyForeground(t *testing.T) {
	m, images := clutteredShapes(t)
	source := &streamed{Cluttered: images.First(12)}
	classified := 0
	study := Study{Model: m, Images: source, Progress: func(done, _ int) { classified = done }}
	methods := []fusion.Method{fusion.None{}, fusion.RandomFusion{R: 3}}
	rows, err := study.Foreground(t.Context(), methods...)
	if err != nil {
		t.Fatal(err)
	}
	if source.times != 2 || classified != 24 {
		t.Errorf("%d passes over the images for two methods, progress to %d of 24", source.times, classified)
	}
	plain, err := study.Run(t.Context(), methods...)
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		row.Foreground = result.Foreground{}
		if diff := cmp.Diff(plain[i], row); diff != "" {
			t.Errorf("row %d is not that of Run: %s", i, diff)
		}
	}
	articles := map[int]bool{}
	for i := range 12 {
		article, _ := images.Article(i)
		articles[article] = true
	}
	if got := rows[0].IndependentSamples(); got != len(articles) || got == 12 {
		t.Errorf("%d independent samples, want %d articles", got, len(articles))
	}
	for i, row := range rows {
		if err := row.Validate(); err != nil {
			t.Errorf("row %d: %v", i, err)
		}
	}
	none, fused := rows[0], rows[1]
	if none.Samples != 12 || none.ForegroundPurity != 1 || none.GroupPurity != 1 || none.ForegroundSize != 1 || none.BackgroundSize != 1 {
		t.Errorf("%+v", none)
	}
	if fused.ForegroundKept != 1 || !(fused.ForegroundPurity < 1) || !(fused.GroupPurity < 1) || !(fused.BackgroundSize > 1) {
		t.Errorf("%+v", fused)
	}
	shapes, err := datasets.Shapes(4, 16, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (Study{Model: m, Images: shapes}).Foreground(t.Context(), fusion.None{}); err == nil || !strings.Contains(err.Error(), "the foreground of shapes is not known") {
		t.Errorf("%v", err)
	}
	classifier, err := m.With(fusion.None{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := MeasureForeground(t.Context(), classifier, images.First(0)); err == nil {
		t.Error("no images were measured")
	}
}

// TestForegroundInSweep: a sweep's row tells what MeasureForeground does of so many images, and of no more.
func TestForegroundInSweep(t *testing.T) {
	m, images := clutteredShapes(t)
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	method := fusion.ToMe{R: 3}
	classifier, err := m.WithBackend(backend, method)
	if err != nil {
		t.Fatal(err)
	}
	defer classifier.Close()
	layers, err := MeasureForeground(t.Context(), classifier, images.First(6))
	if err != nil {
		t.Fatal(err)
	}
	data := On(images)
	for _, c := range []struct {
		n    int
		want result.Foreground
	}{{0, result.Foreground{}}, {6, layers[2]}} {
		data[0].Foreground = c.n
		cells, err := Grid{Models: []GridModel{{Value: m}}, Methods: Methods(method), Data: data}.Cells()
		if err != nil {
			t.Fatal(err)
		}
		e := newEvaluator(Options{Backend: backend})
		defer e.close()
		row, err := e.evaluate(t.Context(), cells[0], func(int, int) {})
		if err != nil || row.Failed() {
			t.Fatal(err, row.Error)
		}
		if diff := cmp.Diff(c.want, row.Foreground); diff != "" || row.Samples != images.Len() {
			t.Errorf("of %d images, %d classified: %s", c.n, row.Samples, diff)
		}
	}
}
