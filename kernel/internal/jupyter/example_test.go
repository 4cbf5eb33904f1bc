package jupyter_test

import (
	"fmt"

	"tokenfuse/kernel/internal/jupyter"
	"tokenfuse/kernel/internal/nbformat"
)

func ExampleRecorder() {
	var recorder jupyter.Recorder
	var cell nbformat.Cell
	recorder.Begin(&cell)
	for _, text := range []string{"tokens left: ", "181\n"} {
		recorder.Take(&jupyter.Message{Type: "stream", Content: fmt.Appendf(nil, `{"name": "stdout", "text": %q}`, text)})
	}
	recorder.End()
	fmt.Print(cell.Outputs[0].Text)
	// Output: tokens left: 181
}
