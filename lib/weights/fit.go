package weights

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
)

// namesShown is how many names of a kind a message lists.
const namesShown = 8

// Fit is how the tensors of a file fit the parameters of a model.
type Fit struct {
	// Missing are the parameters that the file does not hold, in the model's order.
	Missing []string
	// Reshaped are those that it holds in another shape, in the model's order.
	Reshaped []Reshaped
	// Retyped are those that it holds as other numbers than float32 (to which all floating-point ones are
	// read), in the model's order.
	Retyped []Retyped
	// Unexpected are the tensors that the model does not know, sorted.
	Unexpected []string
	// Wanted is the number of the model's parameters.
	Wanted int
}

// Reshaped is a parameter of another shape in the file than in the model.
type Reshaped struct {
	Name       string
	Have, Want []int // dimensions
}

// Retyped is a parameter that the file holds as numbers of another type.
type Retyped struct {
	Name string
	Have dtypes.DType
}

// Compare compares the parameters that a model wants, by name and dimensions, with the tensors at hand.
func Compare(want iter.Seq2[string, []int], have map[string]*tensors.Tensor) Fit {
	var f Fit
	known := map[string]bool{}
	for name, dims := range want {
		known[name] = true
		t, ok := have[name]
		switch {
		case !ok:
			f.Missing = append(f.Missing, name)
		case !slices.Equal(t.Shape().Dimensions, dims):
			f.Reshaped = append(f.Reshaped, Reshaped{name, t.Shape().Dimensions, dims})
		case t.DType() != dtypes.Float32:
			f.Retyped = append(f.Retyped, Retyped{name, t.DType()})
		}
	}
	f.Wanted = len(known)
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if !known[name] {
			f.Unexpected = append(f.Unexpected, name)
		}
	}
	return f
}

// Err is nil if the model can take the tensors, unexpected ones apart. Else it lists in one line what is
// missing, of another shape or type or unexpected, eight names of each, and says what all names lack or have
// too much where it is a common beginning.
func (f Fit) Err() error {
	var parts []string
	if n := len(f.Missing); n > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d missing: %s", n, f.Wanted, Names(f.Missing)))
	}
	if n := len(f.Reshaped); n > 0 {
		var each []string
		for _, r := range f.Reshaped {
			each = append(each, fmt.Sprintf("%s is %v, want %v", r.Name, r.Have, r.Want))
		}
		parts = append(parts, fmt.Sprintf("%d of another shape: %s", n, first(each, "; ")))
	}
	if n := len(f.Retyped); n > 0 {
		var each []string
		for _, r := range f.Retyped {
			each = append(each, fmt.Sprintf("%s is %s, want float32", r.Name, strings.ToLower(r.Have.String())))
		}
		parts = append(parts, fmt.Sprintf("%d of another type: %s", n, first(each, "; ")))
	}
	if len(parts) == 0 {
		return nil
	}
	if n := len(f.Unexpected); n > 0 {
		parts = append(parts, fmt.Sprintf("%d unexpected: %s", n, Names(f.Unexpected)))
	}
	if hint := f.hint(); hint != "" {
		parts = append(parts, hint)
	}
	return errors.New(strings.Join(parts, "; "))
}

// hint says why most parameters are not as wanted, if the file says anything about it.
func (f Fit) hint() string {
	n := len(f.Missing) + len(f.Reshaped)
	if 2*n <= f.Wanted || len(f.Unexpected)+len(f.Reshaped) == 0 {
		return ""
	}
	if prefix := beginning(f.Unexpected, f.Missing); prefix != "" {
		return fmt.Sprintf("rename the tensors: theirs are the model's names behind %q", prefix)
	}
	if prefix := beginning(f.Missing, f.Unexpected); prefix != "" {
		return fmt.Sprintf("rename the tensors: theirs are the model's names without %q", prefix)
	}
	return "they are of a model of another architecture or size, or under other names"
}

// beginning returns what stands before most of the short names among the long ones, "" if nothing
// does.
func beginning(long, short []string) string {
	have := map[string]bool{}
	for _, name := range long {
		have[name] = true
	}
	tried := map[string]bool{}
	for _, s := range short[:min(namesShown, len(short))] {
		for _, name := range long {
			prefix, ok := strings.CutSuffix(name, s)
			if !ok || !strings.HasSuffix(prefix, ".") || tried[prefix] {
				continue
			}
			tried[prefix] = true
			if 2*found(have, prefix, short) > len(short) {
				return prefix
			}
		}
	}
	return ""
}

// found counts the names that are there behind a prefix.
func found(have map[string]bool, prefix string, names []string) (n int) {
	for _, name := range names {
		if have[prefix+name] {
			n++
		}
	}
	return n
}

// Names lists the first eight names, and says how many more there are.
func Names(all []string) string { return first(all, ", ") }

func first(all []string, separator string) string {
	if len(all) <= namesShown {
		return strings.Join(all, separator)
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:namesShown], separator), len(all)-namesShown)
}
