// Package nbformat holds Jupyter notebooks as data: nbformat 4.5, with 4.0 to 4.4 upgraded on
// reading. Read and Parse check what they are given and say in one line what is wrong; Write
// replaces a file whole or not at all, in the form that Jupyter itself writes. Fields that the
// package does not know survive untouched. Parameters and Inject set a Go notebook's parameters.
//
// Source: https://nbformat.readthedocs.io/en/latest/format_description.html
package nbformat

import (
	"encoding/json"
	"slices"
	"strings"
)

// Object is a JSON object whose values are kept as they were written.
type Object map[string]json.RawMessage

// Set stores value under key.
func (o Object) Set(key string, value any) error {
	raw, err := marshal(value)
	if err != nil {
		return err
	}
	o[key] = raw
	return nil
}

// Get decodes the value under key into target and says whether it was there and fitted.
func (o Object) Get(key string, target any) bool {
	raw, ok := o[key]
	return ok && json.Unmarshal(raw, target) == nil
}

// Notebook is a notebook of nbformat 4.
type Notebook struct {
	Cells    []*Cell
	Metadata Object
	Minor    int    // the version is 4.Minor, at least 4.5
	Extra    Object // fields unknown to this package
}

// Kinds of cells.
const (
	Code     = "code"
	Markdown = "markdown"
	Raw      = "raw"
)

// Cell is one cell. Outputs and ExecutionCount are those of a code cell.
type Cell struct {
	ID             string
	Kind           string // Code, Markdown or Raw
	Source         string
	Metadata       Object
	Outputs        []*Output
	ExecutionCount *int
	Extra          Object // fields unknown to this package, and attachments
}

// Tags returns the cell's tags.
func (c *Cell) Tags() []string {
	var tags []string
	c.Metadata.Get("tags", &tags)
	return tags
}

// HasTag says whether the cell carries the tag.
func (c *Cell) HasTag(tag string) bool { return slices.Contains(c.Tags(), tag) }

// Name returns the cell's name, "" where it has none.
func (c *Cell) Name() string {
	var name string
	c.Metadata.Get("name", &name)
	return name
}

// Runs says whether executing the notebook executes this cell: code that is not blank and not
// tagged skip-execution.
func (c *Cell) Runs() bool {
	return c.Kind == Code && strings.TrimSpace(c.Source) != "" && !c.HasTag("skip-execution")
}

// Kinds of outputs.
const (
	Stream        = "stream"
	DisplayData   = "display_data"
	ExecuteResult = "execute_result"
	Error         = "error"
)

// Output is one output of a code cell; which fields matter depends on its kind.
type Output struct {
	Kind string

	Name string // Stream: stdout or stderr
	Text string // Stream

	Data           Bundle // DisplayData, ExecuteResult
	Metadata       Object // DisplayData, ExecuteResult
	ExecutionCount *int   // ExecuteResult

	ErrorName  string   // Error
	ErrorValue string   // Error
	Traceback  []string // Error

	Extra Object // fields unknown to this package
}

// Bundle holds one result in several MIME types: a JSON string for each (base64 for binary types),
// or any JSON value for application/json and types that end in +json.
type Bundle map[string]json.RawMessage

// Text returns the data of a MIME type that is held as a string.
func (b Bundle) Text(mime string) (string, bool) {
	var text string
	raw, ok := b[mime]
	if !ok || json.Unmarshal(raw, &text) != nil {
		return "", false
	}
	return text, true
}
