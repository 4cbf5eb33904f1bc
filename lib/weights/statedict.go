package weights

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"
)

// levels are the keys under which training scripts save a state dict, the first to be preferred.
var levels = []string{"model", "state_dict", "state_dict_ema", "model_ema"}

// stateDict makes the tensors of the state dict of a checkpoint of size bytes.
func stateDict(root any, prefer []string, size int, bytesOf func(*storage) ([]byte, error)) (*File, error) {
	views, err := chosen(root, prefer)
	if err != nil {
		return nil, err
	}
	const most = 1 << 16
	if len(views) > most {
		return nil, fmt.Errorf("%d tensors, want at most %d", len(views), most)
	}
	f := &File{Tensors: map[string]*tensors.Tensor{}}
	// Views may overlap or repeat elements, as tied and expanded weights do, but not without end.
	budget := 8*int64(size) + 1<<20
	for _, name := range slices.Sorted(maps.Keys(views)) {
		t, err := views[name].tensor(&budget, bytesOf)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", printable(name), err)
		}
		f.Tensors[name] = t
	}
	return f, nil
}

// chosen returns the tensors by name: those of a level that has tensors, else of the whole.
func chosen(root any, prefer []string) (map[string]*view, error) {
	d, ok := root.(*dict)
	if !ok {
		return nil, errors.New("a checkpoint without names: save the state dict, torch.save(model.state_dict(), FILE)")
	}
	views := d.views()
	for _, level := range slices.Concat(prefer, levels) {
		if inner, ok := d.get(level).(*dict); ok {
			if found := inner.views(); len(found) > 0 {
				views = found
				break
			}
		}
	}
	if len(views) == 0 && len(d.pairs) == 0 {
		return nil, errors.New("a checkpoint without tensors: its dict is empty")
	}
	if len(views) == 0 {
		return nil, fmt.Errorf("a checkpoint without tensors: its keys are %s, and none under %s", d.keys(), strings.Join(levels, ", "))
	}
	return withoutPrefix(views), nil
}

// withoutPrefix takes DataParallel's prefix away, if all names have it.
func withoutPrefix(views map[string]*view) map[string]*view {
	const prefix = "module."
	out := map[string]*view{}
	for name, v := range views {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			return views
		}
		out[rest] = v
	}
	return out
}

// get returns the value of a key, nil if there is none; the last one counts.
func (d *dict) get(key string) any {
	for i := len(d.pairs) - 2; i >= 0; i -= 2 {
		if d.pairs[i] == any(key) {
			return d.pairs[i+1]
		}
	}
	return nil
}

// views returns the tensors by name.
func (d *dict) views() map[string]*view {
	out := map[string]*view{}
	for i := 0; i < len(d.pairs); i += 2 {
		name, ok := d.pairs[i].(string)
		if v, also := d.pairs[i+1].(*view); ok && also {
			out[name] = v
		}
	}
	return out
}

// keys names the keys.
func (d *dict) keys() string {
	var names []string
	for i := 0; i < len(d.pairs); i += 2 {
		if name, ok := d.pairs[i].(string); ok {
			names = append(names, printable(name))
		}
	}
	return Names(names)
}
