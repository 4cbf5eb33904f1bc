package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// scripted is a subject whose batches take given times.
type scripted struct {
	name string
	log  *[]string
	took []time.Duration
	fail int // the batch that fails, counted from 1; 0 is none
	runs int
}

func (s *scripted) Run() (time.Duration, error) {
	*s.log = append(*s.log, s.name)
	s.runs++
	if s.runs == s.fail {
		return 0, errors.New(s.name + " broke")
	}
	return s.took[s.runs-1], nil
}

func (s *scripted) Close() error { return nil }

// TestInterleave: the first batches, then rounds of all cases in turn, of which the warm-up does not
// count.
func TestInterleave(t *testing.T) {
	var log, told []string
	a := &scripted{name: "a", log: &log, took: []time.Duration{100, 9, 8, 1, 2, 3}}
	b := &scripted{name: "b", log: &log, took: []time.Duration{200, 7, 6, 40, 50, 60}}
	times, err := Interleave(t.Context(), []Subject{a, b}, 2, 3, func(text string) { told = append(told, text) })
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(log, ""), "ababababab"+"ab"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	for i, want := range []Times{{100, []time.Duration{1, 2, 3}}, {200, []time.Duration{40, 50, 60}}} {
		if times[i].First != want.First || !slices.Equal(times[i].Each, want.Each) {
			t.Errorf("case %d: %v, want %v", i, times[i], want)
		}
	}
	want := []string{"first batch of case 1 of 2", "first batch of case 2 of 2", "warm-up 1 of 2", "warm-up 2 of 2",
		"repetition 1 of 3", "repetition 2 of 3", "repetition 3 of 3"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// TestInterleaveStops: nothing runs after a failure or a cancelled context, which wins over the failures
// that it causes.
func TestInterleaveStops(t *testing.T) {
	var log []string
	a := &scripted{name: "a", log: &log, took: make([]time.Duration, 9)}
	b := &scripted{name: "b", log: &log, took: make([]time.Duration, 9), fail: 2}
	if _, err := Interleave(t.Context(), []Subject{a, b}, 0, 3, nil); err == nil || err.Error() != "b broke" {
		t.Errorf("error %v, want that of b", err)
	}
	if got := strings.Join(log, ""); got != "abab" {
		t.Errorf("ran %s, want abab", got)
	}

	ctx, cancel := context.WithCancel(t.Context())
	log = nil
	c := &scripted{name: "c", log: &log, took: make([]time.Duration, 9), fail: 2}
	_, err := Interleave(ctx, []Subject{c}, 0, 3, func(text string) {
		if strings.HasPrefix(text, "repetition 1") {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || len(log) != 1 {
		t.Errorf("%v after %d batches, want %v after 1", err, len(log), context.Canceled)
	}
}

func TestQuartiles(t *testing.T) {
	for name, c := range map[string]struct {
		times                []time.Duration
		first, median, third time.Duration
	}{
		"one":       {[]time.Duration{7}, 7, 7, 7},
		"two":       {[]time.Duration{20, 10}, 12, 15, 17}, // 12.5 and 17.5, whole nanoseconds
		"five":      {[]time.Duration{50, 10, 40, 20, 30}, 20, 30, 40},
		"four":      {[]time.Duration{4000, 1000, 3000, 2000}, 1750, 2500, 3250},
		"all alike": {[]time.Duration{3, 3, 3}, 3, 3, 3},
		"outlier":   {[]time.Duration{1, 1, 1, 1, 1000}, 1, 1, 1},
	} {
		given := fmt.Sprint(c.times)
		if first, median, third := quartiles(c.times); first != c.first || median != c.median || third != c.third {
			t.Errorf("%s: %d %d %d, want %d %d %d", name, first, median, third, c.first, c.median, c.third)
		}
		if fmt.Sprint(c.times) != given {
			t.Errorf("%s: the times were reordered", name)
		}
	}
}
