// Package strictjson reads what people write as JSON: models, fusion settings, grids and recipes. A field
// that nobody knows and whatever stands behind the object are errors, and an error says in which line and
// column of the text it lies, where encoding/json knows that.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Decode decodes a text into a pointer to a struct. Numbers that go into an `any` stay as they are written.
func Decode(text []byte, into any) error { return placed(text, into, true) }

// Peek decodes some fields of an object, and passes over others.
func Peek(text []byte, into any) error { return placed(text, into, false) }

// DecodePart is Decode for an UnmarshalJSON, whose text is a part of another: to who wrote that, the place
// in it says nothing.
func DecodePart(text []byte, into any) error {
	_, err := decode(text, into, true)
	return err
}

func placed(text []byte, into any, strict bool) error {
	offset, err := decode(text, into, strict)
	if err == nil || offset < 0 {
		return err
	}
	before := text[:min(offset, len(text))]
	line, column := 1+bytes.Count(before, []byte("\n")), 1+utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return fmt.Errorf("line %d, column %d: %w", line, column, err)
}

// nowhere is the offset of an error whose place is not known.
const nowhere = -1

// decode returns what is wrong with a text, and the offset of where.
func decode(text []byte, into any, strict bool) (offset int, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if strict {
		decoder.DisallowUnknownFields()
	}
	err = decoder.Decode(into)
	if err == nil {
		if rest := bytes.TrimLeft(text[decoder.InputOffset():], " \t\r\n"); len(rest) > 0 {
			return len(text) - len(rest), errors.New("something follows the object")
		}
		return nowhere, nil
	}
	if errors.Is(err, io.EOF) {
		return nowhere, errors.New("there is nothing")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return len(text), errors.New("the object does not end")
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return int(syntax.Offset) - 1, errors.New(syntax.Error()) // which is behind what should not be there
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		err := fmt.Errorf("%s is %s, want %s", field(wrong.Field, into), withArticle(wrong.Value), typeText(wrong.Type))
		if !bytes.Contains(text, []byte("\n")) {
			return nowhere, err // the field says enough, and the line may not be what was written but made of it
		}
		return int(wrong.Offset) - 1, err // where the value ends
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return nowhere, fmt.Errorf("unknown field %s: known are %s", name, strings.Join(fields(into), ", "))
	}
	return nowhere, err // of an UnmarshalJSON
}

// field is the path of a field as it is written, without the names of embedded structs, which nobody wrote.
func field(path string, into any) string {
	t := reflect.TypeOf(into).Elem()
	if path == "" {
		return "it"
	}
	if t.Kind() != reflect.Struct {
		return path
	}
	for f := range t.Fields() {
		if f.Anonymous {
			path = strings.TrimPrefix(path, f.Name+".")
		}
	}
	return path
}

func withArticle(value string) string {
	if value == "array" || value == "object" {
		return "an " + value
	}
	return "a " + value
}

func typeText(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	}
	return "a " + t.Kind().String()
}

// fields are the names that a pointer to a struct knows, those of embedded structs among them.
func fields(into any) (names []string) {
	for _, f := range reflect.VisibleFields(reflect.TypeOf(into).Elem()) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}
