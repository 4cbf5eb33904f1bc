// Package keep is what lies under notebook.Keep: what a value's content is ([Content]), which code
// computes it ([Code]), and how it is written ([Encode]).
package keep

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"hash"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"github.com/gomlx/gomlx/core/tensors"
)

// Sum is the SHA-256 of a content.
type Sum [sha256.Size]byte

// File is the path of a file whose content counts, not its name.
type File string

// Content returns the sum of all that a value holds: numbers to the last bit, strings, what pointers
// point to, map entries in any order, unexported fields too, the elements of tensors, the content of a
// File, and of a type that has MarshalBinary or GobEncode what these write. Values of other types, in
// other fields, nil or empty, have other sums.
//
// A function, a channel or a pointer that means a place in memory has no content: an error names where
// it stands.
func Content(value any) (Sum, error) { return content(value, false) }

// content is Content; lenient takes an empty slice or map for a nil one, as gob does.
func content(value any, lenient bool) (sum Sum, err error) {
	h := hasher{Hash: sha256.New(), lenient: lenient, seen: map[pointer]int{}}
	if value != nil {
		root := reflect.New(reflect.TypeOf(value)).Elem() // so that all in it has an address
		root.Set(reflect.ValueOf(value))
		err = h.typed(root, "the value")
	}
	return Sum(h.Sum(nil)), err
}

// hasher writes values into a hash so that two values never write the same bytes.
type hasher struct {
	hash.Hash
	lenient bool
	seen    map[pointer]int // in the order in which they were met
	depth   int
}

// deepest is how far values may be nested; one that holds itself, by a slice or a map, is beyond it.
const deepest = 1000

type pointer struct {
	at unsafe.Pointer
	of reflect.Type
}

func (h hasher) number(n uint64) { h.Write(binary.LittleEndian.AppendUint64(nil, n)) }

func (h hasher) text(s string) {
	h.number(uint64(len(s)))
	h.Write([]byte(s))
}

// typed writes the type of a value before it.
func (h hasher) typed(v reflect.Value, path string) error {
	h.text(v.Type().PkgPath() + " " + v.Type().String())
	return h.value(v, path)
}

func (h hasher) value(v reflect.Value, path string) error {
	if h.depth++; h.depth > deepest {
		return fmt.Errorf("it holds itself, or is nested more than %d deep", deepest)
	}
	if done, err := h.own(v, path); done {
		return err
	}
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			h.number(1)
		} else {
			h.number(0)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		h.number(uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		h.number(v.Uint())
	case reflect.Float32, reflect.Float64:
		h.number(math.Float64bits(v.Float()))
	case reflect.Complex64, reflect.Complex128:
		h.number(math.Float64bits(real(v.Complex())))
		h.number(math.Float64bits(imag(v.Complex())))
	case reflect.String:
		h.text(v.String())
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			h.text(field.Name)
			if err := h.value(v.Field(i), path+"."+field.Name); err != nil {
				return err
			}
		}
	case reflect.Array, reflect.Slice:
		return h.list(v, path)
	case reflect.Map:
		return h.entries(v, path)
	case reflect.Pointer, reflect.Interface:
		return h.pointed(v, path)
	default: // functions, channels, uintptr, unsafe pointers
		if v.Kind() == reflect.Uintptr || !v.IsNil() {
			return fmt.Errorf("%s is a %s, which has no content to compare: leave it out, and name what it depends on", path, v.Type())
		}
		h.number(0)
	}
	return nil
}

// own writes what a type says of its own content, if it does.
func (h hasher) own(v reflect.Value, path string) (done bool, err error) {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return false, nil
	}
	v, ok := readable(v)
	if !ok {
		return false, nil
	}
	var data []byte
	switch x := v.Interface().(type) {
	case *tensors.Tensor:
		h.text(x.Shape().String())
		err = x.ConstBytes(func(elements []byte) { h.Write(elements) })
		return true, err
	case File:
		data, err = os.ReadFile(string(x))
	case encoding.BinaryMarshaler:
		data, err = x.MarshalBinary()
	case gob.GobEncoder:
		data, err = x.GobEncode()
	default:
		return false, nil
	}
	if err != nil {
		return true, fmt.Errorf("%s: %w", path, err)
	}
	h.text(string(data))
	return true, nil
}

// readable lifts the guard that reflection puts on unexported fields, where it can; they are only read.
// Of a value whose pointer has the methods it returns the pointer.
func readable(v reflect.Value) (reflect.Value, bool) {
	switch {
	case v.CanAddr():
		v = reflect.NewAt(v.Type(), v.Addr().UnsafePointer())
		if v.Elem().Kind() == reflect.Pointer || v.Elem().Type() == reflect.TypeFor[File]() {
			v = v.Elem()
		}
	case v.Kind() == reflect.Pointer:
		v = reflect.NewAt(v.Type().Elem(), v.UnsafePointer())
	}
	return v, v.CanInterface()
}

func (h hasher) list(v reflect.Value, path string) error {
	if v.Kind() == reflect.Slice && v.IsNil() && !h.lenient {
		h.number(math.MaxUint64)
		return nil
	}
	h.number(uint64(v.Len()))
	if size := v.Type().Elem().Size(); v.Len() > 0 && isPlain(v.Type().Elem()) && v.Index(0).CanAddr() {
		h.Write(unsafe.Slice((*byte)(v.Index(0).Addr().UnsafePointer()), v.Len()*int(size)))
		return nil
	}
	for i := range v.Len() {
		if err := h.value(v.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	return nil
}

// isPlain says whether the bytes in memory of a type are its content.
func isPlain(t reflect.Type) bool {
	if t.NumMethod() > 0 || reflect.PointerTo(t).NumMethod() > 0 {
		return false
	}
	return t.Kind() > reflect.Bool && t.Kind() <= reflect.Complex128 && t.Kind() != reflect.Uintptr
}

func (h hasher) entries(v reflect.Value, path string) error {
	if v.IsNil() && !h.lenient {
		h.number(math.MaxUint64)
		return nil
	}
	h.number(uint64(v.Len()))
	var sums []string
	for entry := v.MapRange(); entry.Next(); {
		// What is met in one entry is not met in the next, for they have no order.
		one := hasher{Hash: sha256.New(), lenient: h.lenient, seen: maps.Clone(h.seen), depth: h.depth}
		for i, part := range []reflect.Value{entry.Key(), entry.Value()} {
			if err := one.value(part, fmt.Sprintf("%s%s", path, []string{"'s keys", "'s values"}[i])); err != nil {
				return err
			}
		}
		sums = append(sums, string(one.Sum(nil)))
	}
	slices.Sort(sums)
	h.text(strings.Join(sums, ""))
	return nil
}

func (h hasher) pointed(v reflect.Value, path string) error {
	if v.IsNil() {
		h.number(0)
		return nil
	}
	if v.Kind() == reflect.Interface {
		h.number(1)
		return h.typed(v.Elem(), path)
	}
	met := pointer{v.UnsafePointer(), v.Type()}
	if order, ok := h.seen[met]; ok {
		h.number(uint64(2 + order))
		return nil
	}
	h.seen[met] = len(h.seen)
	h.number(1)
	return h.value(v.Elem(), path)
}
