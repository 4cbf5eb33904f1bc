package bench

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Subject is something whose batches can be timed.
type Subject interface {
	// Run runs one batch, from images in memory to logits in memory, and says how long it took.
	Run() (time.Duration, error)
	// Close frees what the subject holds.
	Close() error
}

// Times are what the batches of one subject took.
type Times struct {
	First time.Duration   // the very first batch, which compiles
	Each  []time.Duration // the repetitions, in order
}

// Interleave runs each subject once, which compiles it, then all of them in turn: `warmup` rounds that
// do not count and `repetitions` rounds that do. What else happens on the machine so meets them alike.
// progress, if not nil, hears before each round and before each first batch. A cancelled context ends
// it with the context's error; a subject that fails, with that.
func Interleave(ctx context.Context, subjects []Subject, warmup, repetitions int, progress func(string)) ([]Times, error) {
	if progress == nil {
		progress = func(string) {}
	}
	all := make([]Times, len(subjects))
	for i, s := range subjects {
		progress(fmt.Sprintf("first batch of case %d of %d", i+1, len(subjects)))
		took, err := run(ctx, s)
		if err != nil {
			return nil, err
		}
		all[i].First = took
	}
	for round := range warmup + repetitions {
		if round < warmup {
			progress(fmt.Sprintf("warm-up %d of %d", round+1, warmup))
		} else {
			progress(fmt.Sprintf("repetition %d of %d", round-warmup+1, repetitions))
		}
		for i, s := range subjects {
			took, err := run(ctx, s)
			if err != nil {
				return nil, err
			}
			if round >= warmup {
				all[i].Each = append(all[i].Each, took)
			}
		}
	}
	return all, nil
}

// run is one batch, unless the context has ended; an error after that is the context's doing.
func run(ctx context.Context, s Subject) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	took, err := s.Run()
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return took, err
}

// quartiles returns the first quartile, the median and the third quartile of at least one duration;
// between two of them it interpolates linearly (definition 7 of Hyndman and Fan 1996, the usual one).
func quartiles(times []time.Duration) (first, median, third time.Duration) {
	sorted := slices.Sorted(slices.Values(times))
	at := func(p float64) time.Duration {
		place := p * float64(len(sorted)-1)
		low := int(place)
		if low == len(sorted)-1 {
			return sorted[low]
		}
		return sorted[low] + time.Duration((place-float64(low))*float64(sorted[low+1]-sorted[low]))
	}
	return at(0.25), at(0.5), at(0.75)
}
