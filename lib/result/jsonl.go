package result

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"tokenfuse/lib/inputs"
	"tokenfuse/lib/whole"
)

// maxLine bounds one row; rows take a few hundred bytes.
const maxLine = 1 << 20

// Read yields the rows of JSON Lines as they arrive. It is strict: an unknown key, a value that
// cannot be, a second value on a line end it with an error that names the line. Blank lines are
// passed over.
func Read(r io.Reader) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		scanner := bufio.NewScanner(r)
		scanner.Buffer(nil, maxLine)
		line := 0
		for scanner.Scan() {
			line++
			text := bytes.TrimSpace(scanner.Bytes())
			if len(text) == 0 {
				continue
			}
			row, err := parse(text)
			if err != nil {
				yield(Row{}, fmt.Errorf("line %d: %s", line, oneLine(err)))
				return
			}
			if !yield(row, nil) {
				return
			}
		}
		switch err := scanner.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			yield(Row{}, fmt.Errorf("line %d: longer than %d bytes: not a result row", line+1, maxLine))
		case err != nil:
			yield(Row{}, fmt.Errorf("line %d: %w", line+1, err))
		}
	}
}

func parse(text []byte) (Row, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var row Row
	if err := decoder.Decode(&row); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return Row{}, errors.New("the row ends early: delete the line, or make it again")
		}
		return Row{}, fmt.Errorf("not a result row: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if decoder.More() {
		return Row{}, errors.New("more than one value: write one row a line")
	}
	return row, row.Validate()
}

// oneLine joins the lines of joined errors.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// ReadFile returns the rows of a JSON Lines file; errors name file and line.
func ReadFile(path string) ([]Row, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	defer file.Close()
	var rows []Row
	for row, err := range Read(file) {
		if err != nil {
			return nil, fmt.Errorf("result: %s: %w", path, err)
		}
		rows = append(rows, row)
	}
	return rows, Note(path, rows)
}

// Note notes the rows of a file as an input (see lib/inputs), without what each took: a notebook that computes
// rows and reads them again reads the same the next time.
func Note(path string, rows []Row) error {
	if os.Getenv(inputs.Env) == "" {
		return nil
	}
	var text bytes.Buffer
	for _, row := range rows {
		row.Seconds = 0
		if err := Write(&text, row); err != nil {
			return err
		}
	}
	inputs.NoteContent(inputs.Rows, filepath.Base(path), text.Bytes())
	return nil
}

// Write writes rows as JSON Lines, each in one call to w, so that rows appended to one file by
// several processes do not mix. Rows that Read would refuse are refused.
func Write(w io.Writer, rows ...Row) error {
	for i, row := range rows {
		if err := row.Validate(); err != nil {
			return fmt.Errorf("result: row %d: %s", i+1, oneLine(err))
		}
		line, err := json.Marshal(row)
		if err != nil {
			return fmt.Errorf("result: row %d: %w", i+1, err)
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("result: row %d: %w", i+1, err)
		}
	}
	return nil
}

// WriteFile writes rows to a JSON Lines file, whole or not at all.
func WriteFile(path string, rows []Row) error {
	var lines bytes.Buffer
	if err := Write(&lines, rows...); err != nil {
		return err
	}
	if err := whole.WriteFile(path, lines.Bytes(), 0o644); err != nil {
		return fmt.Errorf("result: %s: %s", path, oneLine(err))
	}
	return nil
}
