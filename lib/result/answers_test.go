package result_test

import (
	"slices"
	"strings"
	"testing"

	"tokenfuse/lib/result"
)

// TestAnswers: bits worked out by hand. Images 0, 2 and 9 of 10 are right: byte 0 is 1 + 4 = 5, byte 1
// is 2; in base64, 00000101 00000010 is 000001 010000 0010(00), "BQI=".
func TestAnswers(t *testing.T) {
	right := []bool{true, false, true, false, false, false, false, false, false, true}
	text, err := result.EncodeAnswers(right)
	if err != nil || text != "BQI=" {
		t.Fatalf("%q, %v, want BQI=", text, err)
	}
	row := result.Row{Model: "m", Method: "none", Samples: 10, Sweep: result.Sweep{Correct: text}}
	if got, err := row.Answers(); err != nil || !slices.Equal(got, right) {
		t.Errorf("%v, %v, want %v", got, err, right)
	}
	for name, samples := range map[string]int{"a byte too many": 8, "a byte too few": 17, "no samples": 0} {
		row.Samples = samples
		if _, err := row.Answers(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	row = result.Row{Model: "m", Method: "none", Samples: 10}
	if _, err := row.Answers(); err == nil {
		t.Error("a row without answers: no error")
	}
	if _, err := result.EncodeAnswers(make([]bool, result.MostAnswers+1)); err == nil {
		t.Error("more than MostAnswers: no error")
	}
	if text, err := result.EncodeAnswers(make([]bool, result.MostAnswers)); err != nil || len(text) > 350_000 {
		t.Errorf("MostAnswers take %d bytes, %v", len(text), err)
	}
}

// TestGroups: what is packed comes back; regular numbers take next to nothing.
func TestGroups(t *testing.T) {
	const n = 50_000
	for name, c := range map[string]struct {
		group func(i int) int
		most  int
	}{
		"five images of each, side by side": {func(i int) int { return i / 5 }, 400},
		"five rounds of all":                {func(i int) int { return i % 10_000 }, 400},
		"scattered":                         {func(i int) int { return i * 7919 % 10_007 }, 4 * n},
		"negative":                          {func(i int) int { return -i / 2 }, 400},
	} {
		groups := make([]int, n)
		for i := range groups {
			groups[i] = c.group(i)
		}
		text, err := result.EncodeGroups(groups)
		if err != nil || len(text) > c.most {
			t.Errorf("%s: %d bytes, %v, want at most %d", name, len(text), err, c.most)
		}
		row := result.Row{Model: "m", Method: "none", Samples: n, Sweep: result.Sweep{Groups: text}}
		if got, err := row.ImageGroups(); err != nil || !slices.Equal(got, groups) {
			t.Errorf("%s: %v", name, err)
		}
		for _, samples := range []int{n - 1, n + 1} {
			row.Samples = samples
			if _, err := row.ImageGroups(); err == nil {
				t.Errorf("%s: groups of %d images were taken for %d", name, n, samples)
			}
		}
	}
	if got, err := (result.Row{Samples: 3}).ImageGroups(); got != nil || err != nil {
		t.Errorf("no groups: %v, %v", got, err)
	}
	for _, text := range []string{"*", "AAAA", strings.Repeat("A", 40)} {
		if _, err := (result.Row{Model: "m", Method: "none", Samples: 3, Sweep: result.Sweep{Groups: text}}).ImageGroups(); err == nil {
			t.Errorf("groups %q: no error", text)
		}
	}
}
