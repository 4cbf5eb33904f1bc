package jupyter

import (
	"encoding/json"
	"unicode/utf8"

	"tokenfuse/kernel/internal/nbformat"
)

// DefaultMaxOutput is how many bytes of output a cell keeps unless it is told otherwise.
const DefaultMaxOutput = 16 << 20

// Recorder turns a kernel's messages into the outputs of notebook cells, as nbformat wants them. It
// lives as long as the kernel, for a cell may change a display of an earlier one.
//
// What a cell gives beyond Limit bytes is cut: of its streams the beginning and the last few lines are
// kept, pictures and the like are kept or left out, and a notice on stderr says how much was cut.
type Recorder struct {
	Limit    int                 // bytes that a cell keeps; 0 is DefaultMaxOutput, and below 0 there is no limit
	displays map[string][]*shown // by display id
	cell     *nbformat.Cell
	clear    bool   // clear the cell's outputs before the next one
	text     []byte // of the cell's last output, if it is a stream: strings that grow would be slow
	kept     int    // bytes
	cut      int64  // bytes
	endings  map[string]*ending
}

// shown is an output under a display id, with its size.
type shown struct {
	*nbformat.Output
	size int
}

// Begin empties the cell; the messages to come are about it.
func (r *Recorder) Begin(cell *nbformat.Cell) {
	*r = Recorder{Limit: r.Limit, displays: r.displays, cell: cell}
	if r.displays == nil {
		r.displays = map[string][]*shown{}
	}
	if r.Limit == 0 {
		r.Limit = DefaultMaxOutput
	}
	cell.Outputs, cell.ExecutionCount = nil, nil
}

// End completes the cell's outputs, which may be read after it.
func (r *Recorder) End() {
	r.endStream()
	r.endCut()
}

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
	rich := m.Type == nbformat.DisplayData || m.Type == nbformat.ExecuteResult || m.Type == "update_display_data"
	size := len(m.Content) + overhead
	if rich && r.Limit >= 0 && size > r.Limit {
		r.cut += int64(len(m.Content)) // without looking into it, which would take as much memory again
		return
	}
	var c content
	if json.Unmarshal(m.Content, &c) != nil {
		return
	}
	switch m.Type {
	case "execute_input":
		r.cell.ExecutionCount = c.Count
	case "stream":
		r.stream(c.Name, c.Text)
	case nbformat.DisplayData, nbformat.ExecuteResult:
		r.update(c, size)
		output := &nbformat.Output{Kind: m.Type, Data: c.Data, Metadata: c.Metadata}
		if m.Type == nbformat.ExecuteResult {
			output.ExecutionCount = c.Count
		}
		if !r.add(output, size) {
			return
		}
		if id := c.Transient.DisplayID; id != "" {
			r.displays[id] = append(r.displays[id], &shown{output, size})
		}
	case "update_display_data":
		r.update(c, size)
	case "error":
		r.fail(c)
	case "clear_output":
		if r.clear = c.Wait; !c.Wait {
			r.empty()
		}
	}
}

// update changes what is displayed already under the message's display id.
func (r *Recorder) update(c content, size int) {
	for _, output := range r.displays[c.Transient.DisplayID] {
		if grown := size - output.size; r.room(grown) {
			r.kept += grown
			output.Data, output.Metadata, output.size = c.Data, c.Metadata, size
		} else {
			r.cut += int64(size)
		}
	}
}

// add appends an output if there is room for it.
func (r *Recorder) add(output *nbformat.Output, size int) bool {
	if r.clear {
		r.empty()
	}
	if !r.room(size) {
		r.cut += int64(size - overhead)
		return false
	}
	r.kept += size
	r.append(output)
	return true
}

func (r *Recorder) append(output *nbformat.Output) {
	r.endStream()
	r.cell.Outputs = append(r.cell.Outputs, output)
}

// stream joins text to the last output if that is the same stream.
func (r *Recorder) stream(name, text string) {
	if r.endings[name] != nil && !r.clear {
		r.cutText(name, text) // behind a gap nothing belongs to the beginning
		return
	}
	if last := r.last(); r.clear || last == nil || last.Kind != nbformat.Stream || last.Name != name {
		if !r.add(&nbformat.Output{Kind: nbformat.Stream, Name: name}, overhead) {
			r.cutText(name, text)
			return
		}
	}
	fits := len(text)
	if r.Limit >= 0 {
		fits = min(fits, max(0, r.Limit-r.kept))
	}
	for fits < len(text) && fits > 0 && !utf8.RuneStart(text[fits]) {
		fits--
	}
	r.text = append(r.text, text[:fits]...)
	r.kept += fits
	r.cutText(name, text[fits:])
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
	r.kept, r.cut, r.endings = 0, 0, nil
}
