package compare

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

var (
	// A number, the 16 of "patch16" too.
	numbers = regexp.MustCompile(`[-+\x{2212}]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?`)
	// A time as Go writes it: 1m2.5s, 350ms.
	durations = regexp.MustCompile(`(?:\d+(?:\.\d+)?(?:h|ms|m|s|µs|ns))+\b`)
	// What sets columns apart is as long as the numbers in them.
	padding = regexp.MustCompile(`[ \t─]+`)
)

// text compares two texts: what is between the numbers, then the numbers in their order.
func (c *Cell) text(where, before, after string, opts Options) {
	before, after = normal(before), normal(after)
	if c.Timing {
		before, after = durations.ReplaceAllString(before, "0"), durations.ReplaceAllString(after, "0")
	}
	old, new := numbers.FindAllString(before, -1), numbers.FindAllString(after, -1)
	c.Numbers += len(old)
	oldWords, newWords := numbers.Split(before, -1), numbers.Split(after, -1)
	for i := range max(len(oldWords), len(newWords)) {
		was, is := element(oldWords, i), element(newWords, i)
		if was == is {
			continue
		}
		c.differ(where, "%s, now %s", around(oldWords, old, i), around(newWords, new, i))
		return
	}
	if c.Timing {
		return
	}
	differing, worst, example := 0, 0.0, ""
	for i, was := range old {
		difference, within := apart(was, new[i], opts.Tolerance)
		c.Largest = max(c.Largest, difference)
		if within {
			continue
		}
		if differing++; differing == 1 || difference > worst {
			worst, example = difference, was+", now "+new[i]
		}
	}
	switch {
	case differing == 1:
		c.differ(where, "%s (%s)", example, percent(worst))
	case differing > 1:
		c.differ(where, "%d numbers, the furthest %s (%s)", differing, example, percent(worst))
	}
}

func normal(text string) string {
	return strings.TrimSpace(padding.ReplaceAllString(strings.ReplaceAll(text, "\u2212", "-"), " "))
}

func element(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// around is a piece of text with the number behind it.
func around(words, numbers []string, i int) string {
	if i >= len(words) {
		return "nothing"
	}
	return quote(words[i] + element(numbers, i))
}

// apart returns the relative difference of two numbers, and whether it is none: a whole number has to be the
// same, another may differ by the tolerance.
func apart(was, is string, tolerance float64) (difference float64, within bool) {
	if was == is {
		return 0, true
	}
	a, errA := strconv.ParseFloat(was, 64)
	b, errB := strconv.ParseFloat(is, 64)
	if errA != nil || errB != nil {
		return math.Inf(1), false
	}
	if a != b {
		difference = math.Abs(a-b) / max(math.Abs(a), math.Abs(b))
	}
	whole := !strings.ContainsAny(was, ".eE") && !strings.ContainsAny(is, ".eE")
	return difference, difference == 0 || !whole && difference <= tolerance
}

// percent writes a relative difference as one reads it.
func percent(difference float64) string {
	return strconv.FormatFloat(100*difference, 'g', 3, 64) + "%"
}
