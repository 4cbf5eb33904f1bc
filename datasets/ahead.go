package datasets

import (
	"context"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
)

// ahead makes n values one after another and yields them in order. While the consumer has one, the next
// is made, and no more than that: a queue of one. It ends after the first error, ctx's where ctx is
// cancelled. When the iteration is over, early or not, nothing of it runs on.
func ahead[T any](ctx context.Context, n int, produce func(ctx context.Context, k int) (T, error)) iter.Seq2[T, error] {
	type result struct {
		value T
		err   error
	}
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		results := make(chan result)
		go func() {
			defer close(results)
			for k := range n {
				value, err := produce(ctx, k)
				if err == nil {
					err = ctx.Err()
				}
				select {
				case results <- result{value, err}:
				case <-ctx.Done():
					return
				}
				if err != nil {
					return
				}
			}
		}()
		defer func() {
			cancel()
			for range results { // until it is closed
			}
		}()
		for range n {
			r, made := <-results
			if !made {
				r.err = ctx.Err()
			}
			if !yield(r.value, r.err) || r.err != nil {
				return
			}
		}
	}
}

// inParallel calls each with 0..n-1 on as many goroutines as may run at once, and returns when all
// calls have. After an error no new ones begin; the error returned is that of the least k, whatever the
// timing. A cancelled ctx is an error too.
func inParallel(ctx context.Context, n int, each func(k int) error) error {
	var next atomic.Int64
	errs := make([]error, n)
	var failed atomic.Bool
	var all sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for !failed.Load() && ctx.Err() == nil {
				k := int(next.Add(1)) - 1
				if k >= n {
					return
				}
				if errs[k] = each(k); errs[k] != nil {
					failed.Store(true)
				}
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
