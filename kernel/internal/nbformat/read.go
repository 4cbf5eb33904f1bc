package nbformat

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Read reads the notebook in a file. Its errors are one line and name the file.
func Read(path string) (*Notebook, error) {
	if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeDevice != 0 {
		return nil, fmt.Errorf("%s: cannot be read: is a device, which may have no end", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		var pathError *os.PathError
		if errors.As(err, &pathError) {
			err = pathError.Err
		}
		return nil, fmt.Errorf("%s: cannot be read: %w", path, err)
	}
	notebook, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return notebook, nil
}

// Parse reads a notebook from JSON, checks it, and upgrades it to version 4.5: cells without an id,
// or with another cell's, get one that depends on their place and source alone.
func Parse(data []byte) (*Notebook, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !json.Valid(data) {
		return nil, fmt.Errorf("not a notebook: not JSON: %w", syntaxError(data))
	}
	fields := Object{}
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return nil, errors.New("not a notebook: the JSON is no object")
	}
	var major int
	notebook := &Notebook{}
	r := reader{fields: fields}
	if _, ok := fields["nbformat"]; !ok {
		return nil, errors.New(`not a notebook: no field "nbformat"`)
	}
	r.take("nbformat", &major)
	if r.err == nil && major != 4 {
		return nil, fmt.Errorf("unsupported version %q: open it in Jupyter and save it, which upgrades it to nbformat 4", fmt.Sprint(major))
	}
	var cells []json.RawMessage
	r.take("nbformat_minor", &notebook.Minor)
	r.take("metadata", &notebook.Metadata)
	if _, ok := fields["cells"]; !ok {
		r.fail("cells", "is missing")
	}
	r.take("cells", &cells)
	if r.err != nil {
		return nil, fmt.Errorf("not a notebook: %w", r.err)
	}
	notebook.Extra = r.rest()
	notebook.Minor = max(notebook.Minor, 5)
	if notebook.Metadata == nil {
		notebook.Metadata = Object{}
	}
	for i, raw := range cells {
		cell, err := parseCell(raw)
		if err != nil {
			return nil, fmt.Errorf("not a notebook: element %d of \"cells\": %w", i, err)
		}
		notebook.Cells = append(notebook.Cells, cell)
	}
	identify(notebook.Cells)
	return notebook, nil
}

func parseCell(raw json.RawMessage) (*Cell, error) {
	r, err := newReader(raw)
	if err != nil {
		return nil, err
	}
	cell := &Cell{}
	r.take("cell_type", &cell.Kind)
	r.take("id", &cell.ID)
	r.take("metadata", &cell.Metadata)
	r.text("source", &cell.Source)
	var outputs []json.RawMessage
	switch cell.Kind {
	case Code:
		r.take("outputs", &outputs)
		r.take("execution_count", &cell.ExecutionCount)
	case Markdown, Raw:
	default:
		if r.err == nil {
			r.fail("cell_type", fmt.Sprintf("is %q, not one of code, markdown, raw", cell.Kind))
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	cell.Extra = r.rest()
	if cell.Metadata == nil {
		cell.Metadata = Object{}
	}
	for i, raw := range outputs {
		output, err := parseOutput(raw)
		if err != nil {
			return nil, fmt.Errorf("element %d of \"outputs\": %w", i, err)
		}
		cell.Outputs = append(cell.Outputs, output)
	}
	return cell, nil
}

func parseOutput(raw json.RawMessage) (*Output, error) {
	r, err := newReader(raw)
	if err != nil {
		return nil, err
	}
	output := &Output{}
	r.take("output_type", &output.Kind)
	switch output.Kind {
	case Stream:
		r.take("name", &output.Name)
		r.text("text", &output.Text)
	case DisplayData, ExecuteResult:
		r.take("data", &output.Data)
		r.take("metadata", &output.Metadata)
		if output.Kind == ExecuteResult {
			r.take("execution_count", &output.ExecutionCount)
		}
		for mime, value := range output.Data {
			output.Data[mime] = joined(mime, value)
		}
	case Error:
		r.take("ename", &output.ErrorName)
		r.take("evalue", &output.ErrorValue)
		r.take("traceback", &output.Traceback)
	default:
		if r.err == nil {
			r.fail("output_type", fmt.Sprintf("is %q, not one of stream, display_data, execute_result, error", output.Kind))
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	output.Extra = r.rest()
	return output, nil
}

// joined returns MIME data with a list of lines joined into one string.
func joined(mime string, value json.RawMessage) json.RawMessage {
	var lines []string
	if isJSON(mime) || json.Unmarshal(value, &lines) != nil || lines == nil {
		return value
	}
	text, err := marshal(strings.Join(lines, ""))
	if err != nil {
		return value
	}
	return text
}

func isJSON(mime string) bool {
	return mime == "application/json" || strings.HasPrefix(mime, "application/") && strings.HasSuffix(mime, "+json")
}

// reader takes known fields out of an object and remembers the first that does not fit.
type reader struct {
	fields Object
	err    error
}

func newReader(raw json.RawMessage) (*reader, error) {
	r := &reader{fields: Object{}}
	if err := json.Unmarshal(raw, &r.fields); err != nil || r.fields == nil {
		return nil, errors.New("is no object")
	}
	return r, nil
}

func (r *reader) fail(key, what string) {
	if r.err == nil {
		r.err = fmt.Errorf("field %q %s", key, what)
	}
}

// take decodes and removes a field; one that is absent leaves target as it is.
func (r *reader) take(key string, target any) {
	if raw, ok := r.fields[key]; ok {
		if err := json.Unmarshal(raw, target); err != nil {
			r.fail(key, "has another type than nbformat 4 gives it")
		}
		delete(r.fields, key)
	}
}

// text takes a string that may also be written as a list of lines.
func (r *reader) text(key string, target *string) {
	raw, ok := r.fields[key]
	if !ok {
		return
	}
	var lines []string
	if json.Unmarshal(raw, &lines) == nil {
		*target = strings.Join(lines, "")
		delete(r.fields, key)
		return
	}
	r.take(key, target)
}

func (r *reader) rest() Object {
	if len(r.fields) == 0 {
		return nil
	}
	return r.fields
}

// identify gives an id to cells that have none of their own. Derived from place and source, so that
// reading the same file twice gives the same notebook.
func identify(cells []*Cell) {
	taken := map[string]bool{}
	var missing []int
	for i, cell := range cells {
		if cell.ID == "" || taken[cell.ID] {
			missing = append(missing, i)
			continue
		}
		taken[cell.ID] = true
	}
	for _, i := range missing {
		cells[i].ID = newID(cells[i], i, taken)
		taken[cells[i].ID] = true
	}
}

func newID(cell *Cell, place int, taken map[string]bool) string {
	for try := 0; ; try++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s %s", try, place, cell.Kind, cell.Source))
		if id := hex.EncodeToString(sum[:4]); !taken[id] {
			return id
		}
	}
}

// syntaxError says where a text stops being JSON.
func syntaxError(data []byte) error {
	var ignored any
	err := json.Unmarshal(data, &ignored)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		before := data[:min(max(0, int(syntax.Offset)-1), len(data))]
		line, column := 1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n')
		return fmt.Errorf("line %d, byte %d: %s", line, column, oneLine(err))
	}
	return errors.New(oneLine(err))
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(fmt.Sprint(err)), " ")
}
