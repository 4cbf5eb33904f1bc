package train_test

import (
	"math"
	"strings"
	"testing"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/train"
)

// TestDevices: 2 and 4 devices take the steps of one.
func TestDevices(t *testing.T) {
	backend, err := accel.New(accel.Choice())
	if err != nil {
		t.Fatal(err)
	}
	if accel.Name(backend) != "XLA CPU" {
		t.Skipf("%s does not offer several devices", accel.Name(backend))
	}
	r := recipe()
	r.Config.Depth, r.Config.Dim, r.Epochs = 2, 12, 1
	r.ClipNorm, r.EMA, r.StochasticDepth = 0.5, 0.9, 0.3
	r.Fusion = []byte(`{"method":"mctf","r":4}`)
	losses := map[int][]float64{}
	for _, n := range []int{1, 2, 4} {
		o := options(t, t.TempDir())
		o.Backend, o.Devices = backend, n
		o.Progress = func(p train.Progress) { losses[n] = append(losses[n], p.Loss) }
		if _, _, err := train.Run(t.Context(), r, o); err != nil {
			t.Fatalf("%d devices: %v", n, err)
		}
		for i, loss := range losses[n] {
			if math.Abs(loss-losses[1][i]) > 1e-4 {
				t.Errorf("on %d devices the losses are %v, want %v", n, losses[n], losses[1])
				break
			}
		}
	}
	if first, last := losses[1][0], losses[1][3]; math.Abs(first-last) < 1e-2 {
		t.Errorf("the loss went from %v to %v: the test shows nothing", first, last)
	}
}

// TestDevicesRefused: what cannot be shared out is refused in one line.
func TestDevicesRefused(t *testing.T) {
	backend, err := accel.New(accel.Choice())
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*train.Recipe, *train.Options){
		"500 devices were asked for": func(_ *train.Recipe, o *train.Options) { o.Devices = 500 },
		"does not divide among":      func(r *train.Recipe, o *train.Options) { o.Devices, r.BatchSize = 2, 7 },
		"does not accumulate":        func(r *train.Recipe, o *train.Options) { o.Devices, r.Accumulate = 2, 2 },
	} {
		r, o := recipe(), options(t, t.TempDir())
		o.Backend = backend
		change(&r, &o)
		if backend.NumDevices() < 2 {
			want = "devices were asked for" // comes first
		}
		if _, _, err := train.Run(t.Context(), r, o); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v does not say %q in one line", err, want)
		}
	}
}
