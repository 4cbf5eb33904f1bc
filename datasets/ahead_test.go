package datasets

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// noGoroutinesLeft wants as many goroutines after the test as before.
func noGoroutinesLeft(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for range 200 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(5 * time.Millisecond) // one that has ended is counted a little longer
		}
		t.Errorf("%d goroutines, before the test %d", runtime.NumGoroutine(), before)
	})
}

func TestAhead(t *testing.T) {
	noGoroutinesLeft(t)
	broken := errors.New("broken")
	var made atomic.Int32
	squares := func(_ context.Context, k int) (int, error) {
		made.Add(1)
		if k == 7 {
			return 0, broken
		}
		return k * k, nil
	}
	collect := func(ctx context.Context, n, stop int) (got []int, last error) {
		made.Store(0)
		for value, err := range ahead(ctx, n, squares) {
			if err != nil {
				return got, err
			}
			got = append(got, value)
			// The queue is bounded: one made ahead, one being made.
			if ahead := int(made.Load()) - len(got); ahead > 2 {
				t.Errorf("%d are made ahead", ahead)
			}
			if len(got) == stop {
				break
			}
		}
		return got, nil
	}
	if got, err := collect(t.Context(), 5, -1); err != nil || !slices.Equal(got, []int{0, 1, 4, 9, 16}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := collect(t.Context(), 5, 2); err != nil || len(got) != 2 {
		t.Errorf("left early: %v, %v", got, err)
	}
	if got, err := collect(t.Context(), 20, -1); err != broken || len(got) != 7 {
		t.Errorf("with an error: %v, %v", got, err)
	}
	if got, err := collect(t.Context(), 0, -1); err != nil || got != nil {
		t.Errorf("of nothing: %v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := collect(ctx, 5, -1); !errors.Is(err, context.Canceled) || got != nil {
		t.Errorf("cancelled: %v, %v", got, err)
	}
}

func TestAheadIsCancelledMeanwhile(t *testing.T) {
	noGoroutinesLeft(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err := range ahead(ctx, 1000, func(ctx context.Context, k int) (int, error) {
		if k == 3 {
			<-ctx.Done()
		}
		return k, nil
	}) {
		if n++; n == 3 {
			cancel()
		}
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			break
		}
	}
	if n > 4 {
		t.Errorf("%d values after the context was cancelled", n-3)
	}
}

func TestInParallel(t *testing.T) {
	noGoroutinesLeft(t)
	for _, n := range []int{0, 1, 100} {
		done := make([]atomic.Int32, n)
		if err := inParallel(t.Context(), n, func(k int) error { done[k].Add(1); return nil }); err != nil {
			t.Fatal(err)
		}
		for k := range done {
			if done[k].Load() != 1 {
				t.Errorf("%d was called %d times", k, done[k].Load())
			}
		}
	}
	// Of several errors it is the first in order, whichever comes first in time.
	for range 50 {
		err := inParallel(t.Context(), 100, func(k int) error {
			if k == 40 {
				time.Sleep(time.Millisecond)
			}
			if k >= 40 {
				return fmt.Errorf("at %d", k)
			}
			return nil
		})
		if err == nil || err.Error() != "at 40" {
			t.Fatalf("error %v, want that at 40", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := inParallel(ctx, 3, func(int) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
