package jupyter

import (
	"bytes"
	"encoding/json"
	"testing"

	"tokenfuse/kernel/internal/nbformat"
)

// FuzzDecode: frames that were not signed with the session's key are dropped, whatever is in them; those
// that were are read or refused.
func FuzzDecode(f *testing.F) {
	s := session{id: "s", key: []byte("key")}
	frames, _, err := s.encode("execute_reply", map[string]any{"status": "ok", "execution_count": 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Join(frames, []byte{0}))
	f.Add(append([]byte("route\x00"), bytes.Join(frames, []byte{0})...))
	f.Add(bytes.Join(frames[:4], []byte{0}))
	f.Add([]byte("<IDS|MSG>\x00\x00{}\x00[]\x00{}\x00null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		parts := bytes.Split(data, []byte{0})
		message, err := s.decode(parts)
		_, _ = session{key: []byte("another")}.decode(parts)
		if err == nil && message == nil {
			t.Fatal("neither a message nor an error")
		}
		at := 0
		for at < len(parts) && !bytes.Equal(parts[at], delimiter) {
			at++
		}
		if at+6 > len(parts) {
			if err == nil {
				t.Fatal("an incomplete message was read")
			}
			return
		}
		signed := append([][]byte{}, parts...)
		signed[at+1] = s.sign(signed[at+2 : at+6])
		if err == nil && !bytes.Equal(signed[at+1], parts[at+1]) {
			t.Fatal("a forged message was read")
		}
		if message, err = s.decode(signed); err == nil {
			(&cell{handle: func(*Message) {}}).take(arrival{"shell", message})
		}
	})
}

// FuzzRecorder: whatever a kernel's messages hold, the cell can be written, and what is written is a
// notebook with its outputs.
func FuzzRecorder(f *testing.F) {
	for kind, content := range map[string]string{
		"stream":              `{"name":"stdout","text":"a\r\nb"}`,
		"display_data":        `{"data":{"text/plain":"x","application/json":{"a":[1]},"image/png":"iVBORw0K","text/html":null},"metadata":{},"transient":{"display_id":"box"}}`,
		"execute_result":      `{"data":{"text/plain":["x","y"]},"metadata":null,"execution_count":3}`,
		"update_display_data": `{"data":{"text/plain":"second"},"transient":{"display_id":"box"}}`,
		"error":               `{"ename":"E","evalue":"v","traceback":["t1","t2"]}`,
		"clear_output":        `{"wait":true}`,
		"execute_input":       `{"code":"x","execution_count":-1}`,
	} {
		f.Add(kind, content, "stream", `{"name":"","text":"\ud800"}`)
		f.Add("display_data", `{"data":null,"transient":{"display_id":"box"}}`, kind, content)
	}
	f.Fuzz(func(t *testing.T, kind, content, next, more string) {
		cell := &nbformat.Cell{ID: "cell", Kind: nbformat.Code}
		var recorder Recorder
		recorder.Begin(cell)
		recorder.Take(&Message{Type: kind, Content: json.RawMessage(content)})
		recorder.Take(&Message{Type: next, Content: json.RawMessage(more)})
		recorder.Take(&Message{Type: kind, Content: json.RawMessage(content)})
		recorder.End()
		written, err := (&nbformat.Notebook{Cells: []*nbformat.Cell{cell}, Metadata: nbformat.Object{}, Minor: 5}).Bytes()
		if err != nil {
			t.Fatalf("the cell cannot be written: %v", err)
		}
		read, err := nbformat.Parse(written)
		if err != nil {
			t.Fatalf("what is written is no notebook: %v\n%s", err, written)
		}
		if len(read.Cells) != 1 || len(read.Cells[0].Outputs) != len(cell.Outputs) {
			t.Errorf("%d outputs became\n%s", len(cell.Outputs), written)
		}
	})
}
