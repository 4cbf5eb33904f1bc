package jupyter

import (
	"encoding/json"

	"tokenfuse/kernel/internal/nbformat"
)

// Recorder turns a kernel's messages into the outputs of notebook cells, as nbformat wants them. It
// lives as long as the kernel, for a cell may change a display of an earlier one.
type Recorder struct {
	displays map[string][]*nbformat.Output // by display id
	cell     *nbformat.Cell
	clear    bool   // clear the cell's outputs before the next one
	text     []byte // of the cell's last output, if it is a stream: strings that grow would be slow
}

// Begin empties the cell; the messages to come are about it.
func (r *Recorder) Begin(cell *nbformat.Cell) {
	*r = Recorder{displays: r.displays, cell: cell}
	if r.displays == nil {
		r.displays = map[string][]*nbformat.Output{}
	}
	cell.Outputs, cell.ExecutionCount = nil, nil
}

// End completes the cell's outputs, which may be read after it.
func (r *Recorder) End() { r.endStream() }

// content holds the fields of all messages that make outputs.
type content struct {
	Count     *int            `json:"execution_count"`
	Name      string          `json:"name"`
	Text      string          `json:"text"`
	Data      nbformat.Bundle `json:"data"`
	Metadata  nbformat.Object `json:"metadata"`
	ErrorName string          `json:"ename"`
	Error     string          `json:"evalue"`
	Traceback []string        `json:"traceback"`
	Wait      bool            `json:"wait"`
	Transient struct {
		DisplayID string `json:"display_id"`
	} `json:"transient"`
}

// Take records one message. Messages that make no output are ignored, as are malformed ones.
func (r *Recorder) Take(m *Message) {
	var c content
	if json.Unmarshal(m.Content, &c) != nil {
		return
	}
	switch m.Type {
	case "execute_input":
		r.cell.ExecutionCount = c.Count
	case "stream":
		r.stream(c.Name, c.Text)
	case "display_data", "execute_result":
		r.update(c)
		output := &nbformat.Output{Kind: m.Type, Data: c.Data, Metadata: c.Metadata}
		if m.Type == nbformat.ExecuteResult {
			output.ExecutionCount = c.Count
		}
		r.add(output)
		if id := c.Transient.DisplayID; id != "" {
			r.displays[id] = append(r.displays[id], output)
		}
	case "update_display_data":
		r.update(c)
	case "error":
		r.add(&nbformat.Output{Kind: nbformat.Error, ErrorName: c.ErrorName, ErrorValue: c.Error, Traceback: c.Traceback})
	case "clear_output":
		if r.clear = c.Wait; !c.Wait {
			r.empty()
		}
	}
}

// update changes what is displayed already under the message's display id.
func (r *Recorder) update(c content) {
	for _, output := range r.displays[c.Transient.DisplayID] {
		output.Data, output.Metadata = c.Data, c.Metadata
	}
}

func (r *Recorder) add(output *nbformat.Output) {
	if r.clear {
		r.empty()
	}
	r.endStream()
	r.cell.Outputs = append(r.cell.Outputs, output)
}

// stream joins text to the last output if that is the same stream.
func (r *Recorder) stream(name, text string) {
	if last := r.last(); r.clear || last == nil || last.Kind != nbformat.Stream || last.Name != name {
		r.add(&nbformat.Output{Kind: nbformat.Stream, Name: name})
	}
	r.text = append(r.text, text...)
}

func (r *Recorder) last() *nbformat.Output {
	if len(r.cell.Outputs) == 0 {
		return nil
	}
	return r.cell.Outputs[len(r.cell.Outputs)-1]
}

func (r *Recorder) endStream() {
	if r.text != nil {
		r.last().Text = string(r.text)
		r.text = nil
	}
}

func (r *Recorder) empty() {
	r.cell.Outputs, r.text, r.clear = nil, nil, false
}
