package bench

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/gomlx/compute"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/result"
	"tokenfuse/lib/vit"
)

// TestMain lets the test binary be the process of its own that Alone starts.
func TestMain(m *testing.M) {
	if os.Getenv("BENCH_TEST_ALONE") != "" {
		err := ServeAlone(func() (compute.Backend, error) { return accel.New("go") }, os.Stdin, os.Stdout)
		if err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func goBackend(t *testing.T) compute.Backend {
	t.Helper()
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	return backend
}

// TestRun: a row for each case, in order, with everything measured, that can be written and read.
func TestRun(t *testing.T) {
	at := Case{Model: "tiny", Config: tiny, Batch: 2}
	learning := fusion.DynamicViT{KeepRate: 0.5, Layers: []int{2}}
	cases, err := Grid(at, []Labelled{{"", fusion.None{}}, {"mine", fusion.MCTF{R: 8}}, {"learned", learning}}, true)
	if err != nil {
		t.Fatal(err)
	}
	external := at
	external.Label, external.Command = "script", "echo ready; while read -r line; do echo done; done"
	cases = append(cases, external)
	rows, err := Run(t.Context(), cases, Options{Backend: goBackend(t), Warmup: 1, Repetitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	labels := []string{"", "mine", "cut as mine", "learned", "cut as learned", "script"}
	if len(rows) != len(labels) {
		t.Fatalf("%d rows, want %d", len(rows), len(labels))
	}
	for i, r := range rows {
		own := r.Method != "external"
		if r.Model != "tiny" || r.Label != labels[i] || r.Batch != 2 || r.ImageSize != "32x32" || r.Repetitions != 3 ||
			!(r.MillisecondsQuartile1 > 0) || r.MillisecondsQuartile1 > r.MillisecondsPerBatch || r.MillisecondsPerBatch > r.MillisecondsQuartile3 ||
			!(r.ImagesPerSecond > 0) || !(r.Speedup > 0) || (r.GMACs > 0) != own || (len(r.Tokens) == 4) != own || (r.Command == "") != own {
			t.Errorf("row %d: %+v", i, r)
		}
		if learned := i == 1 || i == 3; !learned && r.GainOfCutting != 0 {
			t.Errorf("row %d keeps %g of a gain", i, r.GainOfCutting)
		}
	}
	if rows[0].Speedup != 1 || rows[0].GMACsShare != 1 {
		t.Errorf("the base model is %g times as fast as itself, of %g of its cost", rows[0].Speedup, rows[0].GMACsShare)
	}
	var lines bytes.Buffer
	if err := result.Write(&lines, rows...); err != nil {
		t.Fatal(err)
	}
	again := 0
	for r, err := range result.Read(&lines) {
		if err != nil || r.Timing != rows[again].Timing {
			t.Errorf("row %d read back: %v, %+v", again, err, r.Timing)
		}
		again++
	}
}

// TestRunRefuses: what cannot be is refused before anything runs.
func TestRunRefuses(t *testing.T) {
	good := Case{Model: "tiny", Config: tiny, Method: fusion.None{}, Batch: 1}
	with := func(change func(c *Case)) Case {
		c := good
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		wrong Case
		want  string
	}{
		"no images": {with(func(c *Case) { c.Batch = 0 }), "bench: tiny none at 32x32, batch 0: a batch of 0 images, want 1 or more"},
		"layer":     {with(func(c *Case) { c.Method = fusion.MCTF{R: 4, Layers: []int{4}} }), "layer 4 of a model with 4 layers"},
		"model":     {with(func(c *Case) { c.Config.Heads = 5 }), "dim 24 does not divide into 5 heads"},
	} {
		_, err := Run(t.Context(), []Case{good, c.wrong}, Options{Repetitions: 1})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Run(t.Context(), []Case{good}, Options{}); err == nil {
		t.Error("no repetitions, and no error")
	}
}

// TestRunCancelled: the context's error, whatever was going on.
func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, []Case{{Model: "tiny", Config: tiny, Method: fusion.None{}, Batch: 1}},
		Options{Backend: goBackend(t), Repetitions: 1000, Progress: func(text string) {
			if text == "repetition 2 of 1000" {
				cancel()
			}
		}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

// TestAlone: a case travels to a process of its own and comes back measured.
func TestAlone(t *testing.T) {
	env := []string{"BENCH_TEST_ALONE=1"}
	for _, method := range []fusion.Method{fusion.None{}, Cut{fusion.MCTF{R: 8}}} {
		got, err := Alone(t.Context(), Case{Model: "tiny", Config: tiny, Method: method, Batch: 2}, []string{os.Args[0]}, env)
		if err != nil || !(got.StartSeconds > 0) || got.CompileSeconds < 0 {
			t.Errorf("%s: %+v, %v", method.Name(), got, err)
		}
		// 1 MiB is less than any Go program has.
		if peakOf(os.Getpid()) > 0 && got.PeakMebibytes < 1 {
			t.Errorf("%s: a peak of %g MiB", method.Name(), got.PeakMebibytes)
		}
	}
	mine := fusion.Custom{Label: "mine", Remaining: func(at fusion.Layer) int { return at.Tokens }, Assign: func(fusion.Layer, fusion.Evidence) *fusion.Assignment { return nil }}
	_, err := Alone(t.Context(), Case{Model: "tiny", Config: tiny, Method: mine, Batch: 2}, []string{os.Args[0]}, env)
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), `unknown method "mine"`) {
		t.Errorf("a method that cannot travel: %v", err)
	}
}

// TestPixels: none of the pixels is special, and a batch holds no image twice.
func TestPixels(t *testing.T) {
	c := vit.Config{ImageSize: vit.ImageSize{Height: 8, Width: 4}, Channels: 3}
	all := pixels(c, 2)
	if len(all) != 2*3*8*4 {
		t.Fatalf("%d pixels", len(all))
	}
	sum := float32(0)
	for i, p := range all {
		if p < -1 || p >= 1 {
			t.Errorf("pixel %d is %g", i, p)
		}
		sum += p
	}
	if mean := sum / float32(len(all)); mean < -0.2 || mean > 0.2 || all[0] == all[96] {
		t.Errorf("mean %g, first pixels %g and %g", mean, all[0], all[96])
	}
}
