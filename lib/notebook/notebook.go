// Package notebook is what a cell sees: Must ends a cell with one clear line, Show shows figures,
// images, tables of result rows and anything else, Progress reports long work without filling the
// output, Keep holds results over cells and restarts. The same calls work in a terminal, in plain text.
// It imports neither models nor the plot library, since a cell is built anew each time it runs.
//
//	rows := notebook.Must(result.ReadFile("sweep.jsonl"))
//	notebook.Show(notebook.Must(plots.FLOPsAccuracy(rows)), rows)
package notebook

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"
	"golang.org/x/term"
)

// Must returns v. If there is an error, it prints that as one line and ends the cell, or the program.
func Must[T any](v T, err error) T {
	Check(err)
	return v
}

// Check does nothing if err is nil; else it prints it as one line and ends the cell, or the program.
func Check(err error) {
	if err == nil {
		return
	}
	flush()
	fmt.Fprintln(os.Stderr, strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
	os.Exit(1)
}

// send puts data of several MIME types, the same thing in each, into the cell's output; with an id,
// in place of what was sent under it before.
func send(data map[protocol.MIMEType]any, metadata map[string]any, id string) {
	gonbui.SendData(&protocol.DisplayData{Data: data, Metadata: metadata, DisplayID: id})
}

// flush waits until all that was sent has arrived, since what is on its way when the program ends is
// lost. A front end that has gone does not hold it up.
func flush() {
	if !gonbui.IsNotebook || gonbui.Error() != nil {
		return
	}
	arrived := make(chan struct{})
	go func() {
		gonbui.Sync()
		close(arrived)
	}()
	select {
	case <-arrived:
	case <-time.After(5 * time.Second):
	}
}

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }
