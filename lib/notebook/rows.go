package notebook

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/janpfeifer/gonb/gonbui/protocol"

	"tokenfuse/lib/result"
)

// MIMERows is the type under which Show adds the values behind a table of rows, or behind a figure, for
// publish to write to a file beside them: JSON Lines, one object a row. Front ends do not know it, and
// show the other forms.
const MIMERows protocol.MIMEType = "application/vnd.tokenfuse.rows"

// mostRows bounds what Show adds, in bytes: a notebook is no place for more.
const mostRows = 256 << 10

// Sourced is a Picture that knows the values that it was drawn from: Data returns a slice, one element a
// row, each of which encoding/json makes an object of, or nil.
type Sourced interface {
	Picture
	Data() any
}

// withRows adds rows without what fills lines and is no figure's, which images were right, and without how
// long the evaluation took, which is another each time.
func withRows(c content, rows []result.Row) (content, error) {
	bare := make([]any, len(rows))
	for i, row := range rows {
		row.Correct, row.Groups, row.Seconds = "", "", 0
		bare[i] = row
	}
	return withLines(c, bare)
}

// withData adds the values of a figure that knows them.
func withData(c content, figure Picture) (content, error) {
	sourced, ok := figure.(Sourced)
	if !ok {
		return c, nil
	}
	switch rows := sourced.Data().(type) {
	case nil:
		return c, nil
	case []result.Row:
		return withRows(c, rows)
	case []result.TrainingRow:
		untimed := slices.Clone(rows)
		for i := range untimed {
			untimed[i].Seconds = 0
		}
		return withLines(c, untimed)
	}
	list, err := json.Marshal(sourced.Data())
	if err != nil {
		return content{}, err
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(list, &rows); err != nil {
		return content{}, err
	}
	return withLines(c, rows)
}

// withLines adds rows as JSON Lines, if they are few enough.
func withLines[T any](c content, rows []T) (content, error) {
	var lines bytes.Buffer
	for _, row := range rows {
		line, err := json.Marshal(row)
		if err != nil {
			return content{}, err
		}
		lines.Write(append(line, '\n'))
	}
	if lines.Len() <= mostRows {
		c.rows = lines.String()
	}
	return c, nil
}
