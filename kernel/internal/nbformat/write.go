package nbformat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"tokenfuse/lib/whole"
)

// Bytes returns the notebook as Jupyter writes it: keys sorted, one space of indent, texts as lists
// of lines, characters as themselves, a newline at the end.
func (n *Notebook) Bytes() ([]byte, error) {
	cells := make([]Object, len(n.Cells))
	for i, cell := range n.Cells {
		var err error
		if cells[i], err = cell.object(); err != nil {
			return nil, fmt.Errorf("cell %q: %w", cell.ID, err)
		}
	}
	object, err := build(n.Extra, map[string]any{
		"cells":          cells,
		"metadata":       orEmpty(n.Metadata),
		"nbformat":       4,
		"nbformat_minor": n.Minor,
	})
	if err != nil {
		return nil, err
	}
	compact, err := marshal(object)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := json.Indent(&text, compact, "", " "); err != nil {
		return nil, err
	}
	text.WriteByte('\n')
	return text.Bytes(), nil
}

// Write writes the notebook to a file, which then holds all of it or, after an error, what it held
// before. Permissions of a file that exists are kept, and a symbolic link stays one.
func Write(path string, n *Notebook) (err error) {
	data, err := n.Bytes()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	if err := whole.WriteFile(path, data, mode); err != nil {
		return writeError(path, err)
	}
	return nil
}

func writeError(path string, err error) error {
	var pathError *os.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	return fmt.Errorf("%s: cannot be written: %s", path, oneLine(err))
}

func (c *Cell) object() (Object, error) {
	known := map[string]any{
		"cell_type": c.Kind,
		"id":        c.ID,
		"metadata":  orEmpty(c.Metadata),
		"source":    lines(c.Source),
	}
	if c.Kind == Code {
		outputs := make([]Object, len(c.Outputs))
		for i, output := range c.Outputs {
			var err error
			if outputs[i], err = output.object(); err != nil {
				return nil, err
			}
		}
		known["outputs"] = outputs
		known["execution_count"] = c.ExecutionCount
	}
	return build(c.Extra, known)
}

func (o *Output) object() (Object, error) {
	known := map[string]any{"output_type": o.Kind}
	switch o.Kind {
	case Stream:
		known["name"] = o.Name
		known["text"] = lines(o.Text)
	case Error:
		known["ename"] = o.ErrorName
		known["evalue"] = o.ErrorValue
		known["traceback"] = append([]string{}, o.Traceback...)
	case ExecuteResult:
		known["execution_count"] = o.ExecutionCount
		fallthrough
	case DisplayData:
		data := map[string]any{}
		for mime, value := range o.Data {
			data[mime] = split(mime, value)
		}
		known["data"] = data
		known["metadata"] = orEmpty(o.Metadata)
	}
	return build(o.Extra, known)
}

// split returns the data of a text type as a list of lines, as Jupyter does for text/*, JavaScript
// and SVG; base64 stays one string.
func split(mime string, value json.RawMessage) any {
	var text string
	isText := strings.HasPrefix(mime, "text/") || mime == "application/javascript" || mime == "image/svg+xml"
	if !isText || json.Unmarshal(value, &text) != nil || bytes.Equal(value, []byte("null")) {
		return value
	}
	return lines(text)
}

// lines splits text after each line's end, where Python's str.splitlines does.
func lines(text string) []string {
	list := []string{}
	runes := []rune(text)
	start := 0
	for i, r := range runes {
		switch r {
		case '\r':
			if i+1 < len(runes) && runes[i+1] == '\n' {
				continue
			}
		case '\n', '\v', '\f', '\x1c', '\x1d', '\x1e', '\u0085', '\u2028', '\u2029':
		default:
			continue
		}
		list = append(list, string(runes[start:i+1]))
		start = i + 1
	}
	if start < len(runes) {
		list = append(list, string(runes[start:]))
	}
	return list
}

// build adds the known fields to a copy of the unknown ones.
func build(extra Object, known map[string]any) (Object, error) {
	object := Object{}
	for key, value := range extra {
		object[key] = value
	}
	for key, value := range known {
		if err := object.Set(key, value); err != nil {
			return nil, fmt.Errorf("field %q: %w", key, err)
		}
	}
	return object, nil
}

func orEmpty(o Object) Object {
	if o == nil {
		return Object{}
	}
	return o
}

// marshal is json.Marshal without the escaping of <, > and & that HTML wants and notebooks do not.
func marshal(value any) (json.RawMessage, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}
