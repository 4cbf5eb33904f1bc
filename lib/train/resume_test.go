package train_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tokenfuse/datasets"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/result"
	"tokenfuse/lib/train"
	"tokenfuse/lib/vit"
	"tokenfuse/lib/weights"
)

// everything is a recipe with all that a checkpoint has to keep, or a step to draw.
func everything() train.Recipe {
	r := recipe()
	r.Config.Distilled = true
	r.Accumulate, r.EMA, r.ClipNorm, r.StochasticDepth = 2, 0.9, 0.5, 0.3
	r.Mixup, r.CutMix, r.Erase = 0.8, 1, 0.2
	r.Fusion = []byte(`{"method":"random-fusion","r":2}`)
	r.Consistency = &train.Consistency{RTeacher: []float64{0, 1}, Threshold: 0.1, Weight: 3}
	r.Distillation = &train.Distillation{Model: "vit_fmnist_patch4_28", Alpha: 0.5}
	return r
}

// childVariable makes the test's binary a process that trains, see TestKill.
const childVariable = "TOKENFUSE_TRAIN_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child trains, says each step on standard output, and saves the result.
func child(dir string) error {
	o := options(new(testing.T), dir)
	o.CheckpointEvery, o.LogEvery = 1, 1
	o.Progress = func(p train.Progress) {
		fmt.Println(p.Step)
		if limit := os.Getenv(limitVariable); limit != "" && p.Step == 2 {
			limitFiles()
		}
	}
	m, _, err := train.Run(context.Background(), everything(), o)
	if err != nil {
		return err
	}
	return m.Save(filepath.Join(dir, "result.safetensors"), nil)
}

// TestKill: a run that is killed again and again, at random moments, ends at the files of one that was
// left alone: the result, the last weights, the log but for its times.
func TestKill(t *testing.T) {
	whole, parts := t.TempDir(), t.TempDir()
	if err := runChild(whole, -1, 0); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	kills := 0
	for {
		// Some steps, then anywhere in the next one: in the computation, in a checkpoint, in the log.
		err := runChild(parts, 1+rng.IntN(3), time.Duration(rng.IntN(40_000))*time.Microsecond)
		if err == nil {
			break
		}
		if kills++; !errors.Is(err, errKilled) || kills > 20 {
			t.Fatalf("after %d kills: %v", kills, err)
		}
	}
	if kills < 2 {
		t.Errorf("%d kills: the test shows nothing", kills)
	}
	for _, file := range []string{"result.safetensors", "last.safetensors"} {
		if !bytes.Equal(contents(t, whole, file), contents(t, parts, file)) {
			t.Errorf("after %d kills %s differs from that of an uninterrupted run", kills, file)
		}
	}
	a, b := logOf(t, whole), logOf(t, parts)
	if len(a) != 8 || a != b {
		t.Errorf("the log of the killed run is\n%v\nwant\n%v", b, a)
	}
}

var errKilled = errors.New("killed")

// runChild trains in a process of its own, and kills it some time after it did so many steps; below 0
// it is left alone.
func runChild(dir string, steps int, then time.Duration, env ...string) error {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childVariable+"="+dir), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines, killed := bufio.NewScanner(out), false
	for n := 1; lines.Scan(); n++ {
		if n == steps {
			time.Sleep(then)
			killed = cmd.Process.Kill() == nil
			break
		}
	}
	io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil && killed {
		return errKilled
	} else if err != nil {
		return fmt.Errorf("%w: %s", err, stderr.String())
	}
	return nil
}

// TestResumeEverywhere: on every backend, stopped and resumed in the process, the same weights; and the
// resumed run compiles nothing that was compiled before (which the Go backend has no count of).
func TestResumeEverywhere(t *testing.T) {
	for _, config := range []string{"go", accel.Choice()} {
		backend, err := accel.New(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(accel.Name(backend), func(t *testing.T) {
			r := everything()
			r.Config.Depth, r.Config.Distilled, r.Accumulate, r.Distillation, r.Consistency, r.Fusion = 2, false, 1, nil, nil, nil // less to compile; TestKill has it
			o := options(t, t.TempDir())
			o.Backend = backend
			whole, _, err := train.Run(t.Context(), r, o)
			if err != nil {
				t.Fatal(err)
			}
			want := saved(t, whole)
			o.Dir = t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			o.Progress = func(p train.Progress) {
				if p.Step == 3 {
					cancel()
				}
			}
			_, compiled := accel.CacheStats()
			if _, _, err := train.Run(ctx, r, o); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			parts, _, err := train.Run(t.Context(), r, o)
			if err != nil {
				t.Fatal(err)
			}
			if _, now := accel.CacheStats(); now != compiled {
				t.Errorf("%d graphs were compiled again", now-compiled)
			}
			if !bytes.Equal(want, saved(t, parts)) {
				t.Error("the weights differ from those of an uninterrupted run")
			}
		})
	}
}

// interrupting are test images that cancel a run in their n-th test.
type interrupting struct {
	datasets.Source
	cancel context.CancelFunc
	n      int
}

func (i *interrupting) Stream(ctx context.Context, batch int) iter.Seq2[datasets.Batch, error] {
	if i.n--; i.n == 0 {
		i.cancel()
	}
	return i.Source.Stream(ctx, batch)
}

// TestInterruptedTest: an epoch whose test was interrupted is tested by the run that goes on, be it the test of
// the weights or of their average, in the midst or at the end: the log is that of an uninterrupted run.
func TestInterruptedTest(t *testing.T) {
	r := recipe()
	r.EMA = 0.9
	o := options(t, t.TempDir())
	o.LogEvery = 1
	_, accuracy, err := train.Run(t.Context(), r, o)
	if err != nil {
		t.Fatal(err)
	}
	want, test := logOf(t, o.Dir), o.Test
	for i := 1; i <= 4; i++ { // two of each epoch
		o.Dir = t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		o.Test = &interrupting{test, cancel, i}
		stopped, ok := errors.AsType[*train.Interrupted](fail(train.Run(ctx, r, o)))
		if !ok || stopped.Step != 4*((i+1)/2) {
			t.Fatalf("test %d: stopped at %+v", i, stopped)
		}
		// Once more before that epoch is tested.
		ctx, cancel = context.WithCancel(t.Context())
		o.Test = &interrupting{test, cancel, 1}
		if again, ok := errors.AsType[*train.Interrupted](fail(train.Run(ctx, r, o))); !ok || again.Step != stopped.Step {
			t.Fatalf("test %d: stopped again at %+v", i, again)
		}
		o.Test = test
		var lines int
		o.Logged = func(rows []result.TrainingRow) { lines = len(rows) }
		_, got, err := train.Run(t.Context(), r, o)
		if err != nil || got != accuracy || lines != len(want) {
			t.Errorf("test %d: accuracy %v with %d lines, want %v; %v", i, got, lines, accuracy, err)
		}
		if log := logOf(t, o.Dir); log != want {
			t.Errorf("test %d: the log is\n%v\nwant\n%v", i, log, want)
		}
	}
}

func fail(_ *vit.Model, _ float64, err error) error { return err }

// TestAccumulate: micro-batches give the losses of the whole batch, whatever the recipe draws.
func TestAccumulate(t *testing.T) {
	losses := map[int][]float64{}
	for _, n := range []int{1, 2, 4} {
		r := everything()
		r.Accumulate, r.Consistency = n, nil // whose mean is over the confident samples of a micro-batch
		o := options(t, t.TempDir())
		o.Progress = func(p train.Progress) { losses[n] = append(losses[n], p.Loss) }
		if _, _, err := train.Run(t.Context(), r, o); err != nil {
			t.Fatal(err)
		}
		for i, loss := range losses[n] {
			if math.Abs(loss-losses[1][i]) > 1e-4 {
				t.Errorf("in %d micro-batches the losses are %v, want %v", n, losses[n], losses[1])
				break
			}
		}
	}
	if first, last := losses[1][0], losses[1][7]; math.Abs(first-last) < 1e-2 {
		t.Errorf("the loss went from %v to %v: the test shows nothing", first, last)
	}
}

// TestAverageIsTheResult: with a decay of 1 the average stays at the untrained weights, and is the
// result; the trained ones are in last.safetensors.
func TestAverageIsTheResult(t *testing.T) {
	r := recipe()
	r.EMA = 1
	o := options(t, t.TempDir())
	var last train.Progress
	o.Progress = func(p train.Progress) { last = p }
	m, accuracy, err := train.Run(t.Context(), r, o)
	if err != nil {
		t.Fatal(err)
	}
	untrained, err := vit.New(*r.Config, r.Seed)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(saved(t, m), saved(t, untrained)) {
		t.Error("the result is not the average")
	}
	file, err := weights.Read(filepath.Join(o.Dir, "last.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := untrained.Weights()
	if err != nil {
		t.Fatal(err)
	}
	if file.Tensors["head.weight"].Equal(all["head.weight"]) {
		t.Error("last.safetensors holds untrained weights")
	}
	if accuracy != last.EMAAccuracy || last.Accuracy < 0 {
		t.Errorf("accuracies %v and %v, result %v", last.Accuracy, last.EMAAccuracy, accuracy)
	}
}

func contents(t *testing.T, dir, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// logOf is a run's log without its times.
func logOf(t *testing.T, dir string) (text [8]string) {
	t.Helper()
	rows, err := result.ReadTraining(filepath.Join(dir, "log.jsonl"))
	if err != nil || len(rows) != len(text) {
		t.Fatalf("%d rows, %v, want %d", len(rows), err, len(text))
	}
	for i, row := range rows {
		row.Seconds = 0
		accuracy, ema := -1.0, -1.0
		if row.AccuracyTop1 != nil {
			accuracy, ema = *row.AccuracyTop1, *row.EMAAccuracyTop1
		}
		row.AccuracyTop1, row.EMAAccuracyTop1 = nil, nil
		text[i] = fmt.Sprint(row, accuracy, ema)
	}
	return text
}
