// Package compare says whether two executions of a notebook gave the same: cell by cell, texts character
// by character but for their numbers, which may differ by a tolerance, and pictures by their pixels.
package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tokenfuse/kernel/internal/nbformat"
)

// TimingTag marks cells whose numbers are times: they may be any other number.
const TimingTag = "timing"

// Options say how much may differ.
type Options struct {
	// Tolerance is how much a number with a decimal point or an exponent may differ, relative to the larger
	// one; whole numbers have to be the same.
	Tolerance float64
	// Pixels is the share of a picture's pixels that may differ: by more than 8 of 255, since the last bits
	// are the processor's.
	Pixels float64
}

// Cell is what was found of a code cell.
type Cell struct {
	Numbers, Pictures int // compared
	Timing            bool
	// Differences says in a line each what differs; none where the cell gave the same.
	Differences []string
	// Largest is the largest relative difference of a number, within the tolerance or beyond.
	Largest float64
}

// Cells compares the outputs of a cell.
func Cells(before, after *nbformat.Cell, opts Options) Cell {
	found := Cell{Timing: before.HasTag(TimingTag)}
	old, new := split(before), split(after)
	for _, name := range []string{"stdout", "stderr"} {
		found.text(name, old.streams[name], new.streams[name], opts)
	}
	if failure := new.failure; failure != old.failure {
		switch {
		case old.failure == "":
			found.differ("", "fails now: %s", quote(failure))
		case failure == "":
			found.differ("", "failed, and does not now")
		default:
			found.text("error", old.failure, failure, opts)
		}
	}
	if n, m := len(old.displays), len(new.displays); n != m {
		found.differ("", "%d outputs, now %d", n, m)
	}
	for i := range min(len(old.displays), len(new.displays)) {
		found.display(fmt.Sprintf("output %d", i+1), old.displays[i], new.displays[i], opts)
	}
	return found
}

// parts are a cell's outputs, the streams each as a whole: how they mix is chance.
type parts struct {
	streams  map[string]string
	displays []*nbformat.Output
	failure  string
}

func split(cell *nbformat.Cell) parts {
	p := parts{streams: map[string]string{}}
	for _, output := range cell.Outputs {
		switch output.Kind {
		case nbformat.Stream:
			p.streams[output.Name] += output.Text
		case nbformat.Error:
			p.failure = output.ErrorName + ": " + output.ErrorValue
		default:
			p.displays = append(p.displays, output)
		}
	}
	return p
}

func (c *Cell) differ(where, format string, values ...any) {
	text := fmt.Sprintf(format, values...)
	if where != "" {
		text = where + ": " + text
	}
	if !slices.Contains(c.Differences, text) {
		c.Differences = append(c.Differences, text)
	}
}

// display compares an output in each of its types. The same table comes as text and as HTML: what differs
// in both is said once.
func (c *Cell) display(where string, before, after *nbformat.Output, opts Options) {
	old, new := slices.Sorted(maps.Keys(before.Data)), slices.Sorted(maps.Keys(after.Data))
	if !slices.Equal(old, new) {
		c.differ(where, "was %s, now %s", strings.Join(old, ", "), strings.Join(new, ", "))
		return
	}
	for _, mime := range old {
		switch {
		case strings.HasPrefix(mime, "image/") && mime != "image/svg+xml":
			c.picture(where, before.Data, after.Data, mime, opts)
		default:
			c.text(where, content(before.Data, mime), content(after.Data, mime), opts)
		}
	}
	var was, is string
	before.Metadata.Get("alt", &was)
	after.Metadata.Get("alt", &is)
	c.text(where+", words for the picture", was, is, opts)
}

// content is a type's data: the text, or else the JSON that it is written as.
func content(bundle nbformat.Bundle, mime string) string {
	text, ok := bundle.Text(mime)
	if !ok {
		return string(bundle[mime])
	}
	return text
}

func quote(text string) string {
	const most = 60
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most-1]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
