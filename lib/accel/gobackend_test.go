package accel

import (
	"testing"
	"time"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// TestGoEnds: products that could run at once, each of which wants workers of its own, do not wait for
// each other's. They did in every graph that has more of them than the pool has workers: a training step
// of DeiT-Ti never ended.
func TestGoEnds(t *testing.T) {
	backend, err := New("go")
	if err != nil {
		t.Fatal(err)
	}
	const products, side = 16, 192
	exec, err := NewExec(backend, func(x *Node) []*Node {
		var all []*Node
		for i := range products {
			all = append(all, ReduceAllSum(Dot(AddScalar(x, float64(i)), x).Product()))
		}
		return all
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		x := tensors.FromScalarAndDimensions(float32(1), side, side)
		for range 3 {
			if _, err := exec.Call(x); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("the products wait for each other")
	}
}
