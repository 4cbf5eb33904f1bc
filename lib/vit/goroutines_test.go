package vit

import (
	"slices"
	"sync"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
)

// TestGoroutines: classifiers of one model, used by many goroutines at once with batches of several sizes,
// each answer to the last bit as they do one after the other; so does a classifier made anew, while others
// classify, trace and inspect. (With -race, in `kernel test`.)
func TestGoroutines(t *testing.T) {
	for name, backend := range backends(t) {
		t.Run(name, func(t *testing.T) {
			m, err := New(tiny(false), 1)
			if err != nil {
				t.Fatal(err)
			}
			classifier := func(method fusion.Method) *Classifier {
				c, err := m.WithBackend(backend, method)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(c.Close)
				return c
			}
			logits := func(c *Classifier, batch int) []float32 {
				out, err := c.Logits(randomImages(m.Config, batch))
				if err != nil {
					t.Error(err)
					return nil
				}
				return tensors.MustCopyFlatData[float32](out)
			}
			methods := []fusion.Method{fusion.MCTF{R: 2}, fusion.ToMe{R: 2}}
			var want [2][2][]float32
			for i, method := range methods {
				for batch := range 2 {
					want[i][batch] = logits(classifier(method), 1+batch)
				}
			}
			shared := []*Classifier{classifier(methods[0]), classifier(methods[1])}
			var all sync.WaitGroup
			for i, method := range methods {
				all.Go(func() {
					if _, err := shared[i].Inspect(randomImages(m.Config, 1)); err != nil {
						t.Error(err)
					}
				})
				all.Go(func() {
					if _, err := shared[i].Trace(randomImages(m.Config, 1)); err != nil {
						t.Error(err)
					}
				})
				all.Go(func() {
					c, err := m.WithBackend(backend, method)
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					if got := logits(c, 1); !slices.Equal(got, want[i][0]) {
						t.Errorf("%s, made anew: another answer than alone", method.Name())
					}
				})
			}
			for worker := range 8 {
				all.Go(func() {
					for round := range 4 {
						i, batch := worker%2, (worker/2+round)%2
						if got := logits(shared[i], 1+batch); !slices.Equal(got, want[i][batch]) {
							t.Errorf("%s, batch of %d: another answer than alone", methods[i].Name(), 1+batch)
						}
					}
				})
			}
			all.Wait()
		})
	}
}
