package weights

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// torchObjects makes tensors and storages of the names in a checkpoint's pickle.
type torchObjects struct {
	// storages by key, as the pickle claims them.
	storages map[string]*storage
}

// storage is a flat array of elements; its bytes stand elsewhere in the file.
type storage struct {
	key     string
	element string // name in elements
	count   int64
}

// storageElements are the elements of torch's storage classes.
var storageElements = map[global]string{
	"torch.FloatStorage": "float32", "torch.DoubleStorage": "float64", "torch.HalfStorage": "float16",
	"torch.BFloat16Storage": "bfloat16", "torch.LongStorage": "int64", "torch.IntStorage": "int32",
	"torch.ShortStorage": "int16", "torch.CharStorage": "int8", "torch.ByteStorage": "uint8",
	"torch.BoolStorage": "bool", "torch.ComplexFloatStorage": "complex64", "torch.ComplexDoubleStorage": "complex128",
	"torch.UntypedStorage": "uint8", "torch.storage.UntypedStorage": "uint8",
}

// inertNames are the classes and functions whose objects are ignored: they stand beside tensors in
// the checkpoints of training scripts.
var inertNames = []string{
	"argparse.Namespace", "torch.Size", "torch.device",
	"numpy.dtype", "numpy.ndarray", "_codecs.encode",
	"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
	"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
	"__builtin__.set", "builtins.set", "collections.defaultdict", "__builtin__.dict", "builtins.dict",
}

// honoured reports whether a pickle may name a class or function.
func honoured(name string) bool {
	if _, ok := storageElements[global(name)]; ok {
		return true
	}
	switch name {
	case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
		"torch._utils._rebuild_parameter", "collections.OrderedDict":
		return true
	}
	return isElement(name) || slices.Contains(inertNames, name)
}

// isElement reports whether a name is that of a type of elements, such as torch.float16. Those that we
// do not know are an error where a tensor is of them, but not beside it.
func isElement(name string) bool {
	element, ok := strings.CutPrefix(name, "torch.")
	if !ok {
		return false
	}
	for _, kind := range []string{"float", "bfloat", "int", "uint", "complex", "qint", "quint", "bool"} {
		if digits, ok := strings.CutPrefix(element, kind); ok {
			return strings.Trim(digits, "0123456789") == "" || strings.HasPrefix(digits, "8_e") && !strings.Contains(digits, ".")
		}
	}
	return false
}

// call applies a class or function that is honoured.
func (t *torchObjects) call(function global, args tuple) (any, error) {
	switch function {
	case "collections.OrderedDict":
		return orderedDict(args)
	case "torch._utils._rebuild_parameter":
		if len(args) > 0 {
			if v, ok := args[0].(*view); ok {
				return v, nil
			}
		}
	case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2":
		return rebuildTensor(args, "")
	case "torch._utils._rebuild_tensor_v3": // with the type of elements as the seventh
		if len(args) > 6 {
			if name, ok := args[6].(global); ok && isElement(string(name)) {
				return rebuildTensor(args, strings.TrimPrefix(string(name), "torch."))
			}
		}
	default:
		if slices.Contains(inertNames, string(function)) {
			return inert{}, nil
		}
	}
	return nil, fmt.Errorf("no checkpoint: its pickle calls %s with what that does not take", function)
}

// orderedDict is empty, or holds the [key, value] lists that Python 2 gives.
func orderedDict(args tuple) (any, error) {
	d := &dict{}
	if len(args) == 0 {
		return d, nil
	}
	items, ok := args[0].(*list)
	if !ok {
		return nil, errors.New("no checkpoint: an OrderedDict of what is no list")
	}
	for _, item := range items.items {
		pair, ok := item.(*list)
		if !ok || len(pair.items) != 2 {
			return nil, errors.New("no checkpoint: an OrderedDict of what are no pairs")
		}
		d.pairs = append(d.pairs, pair.items...)
	}
	return d, nil
}

// rebuildTensor takes (storage, offset, size, stride, ...); element "" is the storage's.
func rebuildTensor(args tuple, element string) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("no checkpoint: a tensor of %d arguments", len(args))
	}
	v := &view{element: element}
	var ok [4]bool
	v.storage, ok[0] = args[0].(*storage)
	v.offset, ok[1] = args[1].(int64)
	v.dims, ok[2] = counts(args[2])
	v.strides, ok[3] = counts(args[3])
	if slices.Contains(ok[:], false) || v.offset < 0 || len(v.dims) != len(v.strides) {
		return nil, errors.New("no checkpoint: a tensor without storage, offset, size and stride")
	}
	if v.element == "" {
		v.element = v.storage.element
	}
	return v, nil
}

// counts reads a tuple of numbers that are not negative; torch has at most 64 dimensions.
func counts(v any) ([]int64, bool) {
	t, ok := v.(tuple)
	if !ok || len(t) > 64 {
		return nil, false
	}
	out := make([]int64, len(t))
	for i := range t {
		if out[i], ok = t[i].(int64); !ok || out[i] < 0 {
			return nil, false
		}
	}
	return out, true
}

// persistent takes ("storage", class, key, location, count) and, in the format before torch 1.6, a
// view of another storage, which PyTorch has not written since 0.4.
func (t *torchObjects) persistent(id any) (any, error) {
	args, ok := id.(tuple)
	if ok && len(args) > 0 && args[0] == any("module") {
		return nil, errors.New("holds a whole module: save its state dict, torch.save(model.state_dict(), FILE)")
	}
	if !ok || len(args) < 5 || args[0] != any("storage") || len(args) > 5 && args[5] != nil {
		return nil, errors.New("no checkpoint: a storage of another kind than torch.save writes since PyTorch 0.4")
	}
	class, _ := args[1].(global)
	element, also := storageElements[class]
	s := &storage{element: element}
	s.key, ok = args[2].(string)
	if !ok || !also {
		return nil, errors.New("no checkpoint: a storage without class and key")
	}
	if s.count, ok = args[4].(int64); !ok || s.count < 0 {
		return nil, errors.New("no checkpoint: a storage without a number of elements")
	}
	before, ok := t.storages[s.key]
	if !ok {
		t.storages[s.key] = s
		return s, nil
	}
	if *before != *s {
		return nil, fmt.Errorf("no checkpoint: storage %s is of %d %s and of %d %s", printable(s.key), before.count, before.element, s.count, s.element)
	}
	return before, nil
}
