package keep

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"errors"
	"fmt"
	"reflect"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/weights"
)

// CanKeep says whether values of a type can be written, and what in them cannot.
func CanKeep(t reflect.Type) error {
	switch t {
	case reflect.TypeFor[*tensors.Tensor](), reflect.TypeFor[[]*tensors.Tensor](), reflect.TypeFor[map[string]*tensors.Tensor]():
		return nil
	}
	if t == nil {
		return errors.New("no type")
	}
	return canKeep(t, t.String(), map[reflect.Type]bool{})
}

func canKeep(t reflect.Type, path string, seen map[reflect.Type]bool) error {
	if seen[t] || writesItself(t) {
		return nil
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Uintptr, reflect.Interface:
		return fmt.Errorf("%s is a %s, which no file can hold", path, t)
	case reflect.Pointer:
		if t == reflect.TypeFor[*tensors.Tensor]() {
			return fmt.Errorf("%s is a tensor within another value: keep it on its own, or in a map[string]*tensors.Tensor", path)
		}
		return canKeep(t.Elem(), path, seen)
	case reflect.Slice, reflect.Array:
		return canKeep(t.Elem(), path+"[]", seen)
	case reflect.Map:
		if err := canKeep(t.Key(), path+"'s keys", seen); err != nil {
			return err
		}
		return canKeep(t.Elem(), path+"[]", seen)
	case reflect.Struct:
		for i := range t.NumField() {
			field := t.Field(i)
			if !field.IsExported() {
				return fmt.Errorf("%s.%s is not exported, and would be lost: export it, or give %s MarshalBinary and UnmarshalBinary", path, field.Name, t)
			}
			if err := canKeep(field.Type, path+"."+field.Name, seen); err != nil {
				return err
			}
		}
	}
	return nil
}

// writesItself says whether gob leaves writing and reading to the type's own methods.
func writesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[encoding.BinaryMarshaler]()) && p.Implements(reflect.TypeFor[encoding.BinaryUnmarshaler]()) ||
		p.Implements(reflect.TypeFor[gob.GobEncoder]()) && p.Implements(reflect.TypeFor[gob.GobDecoder]())
}

// Encode writes a value: tensors as safetensors, all else as gob does. That reading it gives the same
// value is checked, for gob drops what it takes for a default; if not, that is an error.
func Encode[T any](value T) ([]byte, error) {
	data, err := encode(value)
	if err != nil {
		return nil, err
	}
	read, err := Decode[T](data)
	if err != nil {
		return nil, fmt.Errorf("it cannot be read again: %w", err)
	}
	before, err := content(value, true)
	if err != nil {
		return nil, err
	}
	if after, err := content(read, true); err != nil || after != before {
		return nil, fmt.Errorf("a %T does not come back from a file as it was, such as where a pointer is to a zero", value)
	}
	return data, nil
}

func encode(value any) (data []byte, err error) {
	defer func() {
		if reason := recover(); reason != nil { // gob, on a nil pointer; methods of the value's own
			err = fmt.Errorf("it cannot be written: %v", reason)
		}
	}()
	var file weights.File
	switch v := value.(type) {
	case *tensors.Tensor:
		file.Tensors = map[string]*tensors.Tensor{"": v}
	case []*tensors.Tensor:
		file.Tensors = map[string]*tensors.Tensor{}
		for i, t := range v {
			file.Tensors[numbered(i)] = t
		}
	case map[string]*tensors.Tensor:
		file.Tensors = v
	default:
		var out bytes.Buffer
		err := gob.NewEncoder(&out).Encode(value)
		return out.Bytes(), err
	}
	for name, t := range file.Tensors {
		if t == nil {
			return nil, fmt.Errorf("tensor %q is nil", name)
		}
	}
	return file.MarshalBinary()
}

// numbered names the tensors of a list.
func numbered(i int) string { return fmt.Sprint(i) }

// Decode reads what Encode wrote. Bytes that it did not write are an error.
func Decode[T any](data []byte) (value T, err error) {
	defer func() {
		if reason := recover(); reason != nil { // gob promises nothing on bytes that are not its own
			err = fmt.Errorf("damaged: %v", reason)
		}
	}()
	var file weights.File
	switch v := any(&value).(type) {
	case **tensors.Tensor:
		err = file.UnmarshalBinary(data)
		if *v = file.Tensors[""]; err == nil && *v == nil {
			err = errors.New("no tensor")
		}
	case *[]*tensors.Tensor:
		err = file.UnmarshalBinary(data)
		for i := range len(file.Tensors) {
			t, ok := file.Tensors[numbered(i)]
			if !ok {
				return value, fmt.Errorf("no tensor %d", i)
			}
			*v = append(*v, t)
		}
	case *map[string]*tensors.Tensor:
		err = file.UnmarshalBinary(data)
		*v = file.Tensors
	default:
		err = gob.NewDecoder(bytes.NewReader(data)).Decode(v)
	}
	return value, err
}
