package plots

import (
	"bytes"
	"sync"
	"testing"
)

// TestGoroutines: figures are drawn by many goroutines at once as by one. (With -race, in `kernel test`.)
func TestGoroutines(t *testing.T) {
	draw := func() []byte {
		figure, err := FLOPsAccuracy(exampleRows())
		if err != nil {
			t.Error(err)
			return nil
		}
		picture, err := figure.PNG()
		if err != nil {
			t.Error(err)
		}
		return picture
	}
	want := draw()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if !bytes.Equal(draw(), want) {
				t.Error("drawn otherwise than alone")
			}
		})
	}
	all.Wait()
}
