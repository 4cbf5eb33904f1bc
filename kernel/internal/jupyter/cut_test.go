package jupyter

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"tokenfuse/kernel/internal/nbformat"
)

// said is a message of a cell.
func said(t *testing.T, kind string, content any) *Message {
	t.Helper()
	text, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	return &Message{Type: kind, Content: text}
}

func stdout(t *testing.T, text string) *Message {
	return said(t, "stream", map[string]string{"name": "stdout", "text": text})
}

func picture(t *testing.T, kind, id string, size int) *Message {
	return said(t, kind, map[string]any{
		"data": map[string]string{"text/plain": strings.Repeat("p", size)}, "transient": map[string]string{"display_id": id},
	})
}

// recorded is what a cell keeps of messages.
func recorded(limit int, messages ...*Message) *nbformat.Cell {
	var cell nbformat.Cell
	recorder := Recorder{Limit: limit}
	recorder.Begin(&cell)
	for _, m := range messages {
		recorder.Take(m)
	}
	recorder.End()
	return &cell
}

func TestCut(t *testing.T) {
	long := strings.Repeat("0123456789", 1000)
	text := func(kind, name, content string) string { return kind + " " + name + " " + content }
	notice := func(cut, keeps string) string {
		return text("stream", "stderr", "["+cut+" of this cell's output cut, which keeps "+keeps+": --max-output changes that]\n")
	}
	for _, test := range []struct {
		name     string
		limit    int
		messages []*Message
		want     []string
	}{
		{"fits", 1000, []*Message{stdout(t, "ab"), stdout(t, "c")}, []string{"stream stdout abc"}},
		{"no limit", -1, []*Message{stdout(t, long)}, []string{"stream stdout " + long}},
		{"the middle goes", 1256, []*Message{stdout(t, long)},
			[]string{"stream stdout " + long[:1000], notice("4.8 KiB", "1.2 KiB"), "stream stdout " + long[10000-4096:]}},
		{"only the place changes", 1256, []*Message{stdout(t, long[:1010])}, // the ten bytes are the end
			[]string{"stream stdout " + long[:1000], "stream stderr", "stream stdout " + long[:10]}},
		{"a panic behind it", 1256, []*Message{stdout(t, long), said(t, "stream", map[string]string{"name": "stderr", "text": "panic: boom"})},
			[]string{"stream stdout " + long[:1000], notice("4.8 KiB", "1.2 KiB"), "stream stdout " + long[10000-4096:], "stream stderr panic: boom"}},
		{"whole characters", 260, []*Message{stdout(t, "融合融合"+strings.Repeat("融", 5000))},
			[]string{"stream stdout 融", notice("10.7 KiB", "260 bytes"), "stream stdout " + strings.Repeat("融", 1365)}},
		{"a large picture", 1000, []*Message{picture(t, "display_data", "", 5000), stdout(t, "after")},
			[]string{"stream stdout after", notice("4.9 KiB", "1000 bytes")}},
		{"pictures until it is full", 1500, []*Message{picture(t, "display_data", "", 300), picture(t, "display_data", "", 300), picture(t, "display_data", "", 300)},
			[]string{"display_data   " + strings.Repeat("p", 300), "display_data   " + strings.Repeat("p", 300), notice("356 bytes", "1.5 KiB")}},
		{"a display that changes", 1500, []*Message{picture(t, "display_data", "a", 300), picture(t, "update_display_data", "a", 400), picture(t, "update_display_data", "a", 500)},
			[]string{"display_data   " + strings.Repeat("p", 500)}},
		{"cleared in between", 1000, []*Message{stdout(t, long), said(t, "clear_output", map[string]bool{"wait": true}), stdout(t, "fresh")},
			[]string{"stream stdout fresh"}},
		{"an error's text", 1000, []*Message{said(t, "error", map[string]any{"ename": "ERROR", "evalue": long, "traceback": []string{long, "the end"}})},
			[]string{"error    ERROR " + long[:4096] + " " + (long + "+the end")[10008-4096:], notice("11.5 KiB", "1000 bytes")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := outputs(recorded(test.limit, test.messages...))
			for i := range got {
				got[i] = strings.TrimRight(got[i], "\n")
			}
			for i := range test.want {
				test.want[i] = strings.TrimRight(test.want[i], "\n ")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("outputs (-want +got)\n%s", diff)
			}
			for _, output := range got {
				if !utf8.ValidString(output) {
					t.Errorf("%q is no UTF-8", output)
				}
			}
		})
	}
}

// Megabytes of text, and thousands of outputs, take the memory of what is kept.
func TestCutTakesNoMemory(t *testing.T) {
	line := stdout(t, strings.Repeat("x", 100_000))
	small := picture(t, "display_data", "", 1)
	for name, message := range map[string]*Message{"text": line, "pictures": small} {
		t.Run(name, func(t *testing.T) {
			var cell nbformat.Cell
			recorder := Recorder{Limit: 1 << 20}
			recorder.Begin(&cell)
			for range 10_000 {
				recorder.Take(message)
				if len(message.Content) > 1000 && recorder.cut > 20<<20 {
					break
				}
			}
			var memory runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&memory)
			if memory.HeapAlloc > 64<<20 {
				t.Errorf("%d MiB in use for 1 MiB of output", memory.HeapAlloc>>20)
			}
			recorder.End()
			if len(cell.Outputs) > (1<<20)/overhead+2 {
				t.Errorf("%d outputs kept", len(cell.Outputs))
			}
			if last := cell.Outputs[len(cell.Outputs)-1].Text + cell.Outputs[max(0, len(cell.Outputs)-2)].Text; !strings.Contains(fmt.Sprint(last), CutNotice) {
				t.Error("nothing says that it was cut")
			}
		})
	}
}
