package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestExternal: a command that speaks the protocol is asked for exactly as many batches as are run, and
// ends when its input does.
func TestExternal(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	e, err := StartExternal(t.Context(), "script", `echo some banner; echo ready
while read -r line; do echo "$line" >> `+log+`; echo done; done; echo bye >> `+log)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if took, err := e.Run(); err != nil || took <= 0 {
			t.Errorf("a batch took %v, %v", took, err)
		}
	}
	if err := e.Close(); err != nil {
		t.Errorf("closed: %v", err)
	}
	if text, _ := os.ReadFile(log); string(text) != "run\nrun\nrun\nbye\n" {
		t.Errorf("the command heard %q", text)
	}
}

// TestExternalFails: what goes wrong is one line that names the command and its reason.
func TestExternalFails(t *testing.T) {
	for name, c := range map[string]struct{ command, start, run string }{
		"not there":       {"no-such-command-at-all", `external x ended before "ready": exit status 127: `, ""},
		"ends at once":    {"exit 0", `external x ended before "ready": exit status 0`, ""},
		"fails at once":   {"echo first >&2; echo no module >&2; exit 3", `external x ended before "ready": exit status 3: no module`, ""},
		"dies in a batch": {"echo ready; read -r line; echo out of memory >&2; exit 9", "", `external x ended before "done": exit status 9: out of memory`},
		"dies unasked":    {"echo ready; exit 4", "", `external x ended before "done": exit status 4`},
		"killed":          {"echo ready; read -r line; kill -9 $$", "", `external x ended before "done": signal: killed`},
		"says no done":    {"echo ready; read -r line; echo 0.25; cat", "", `external x answered "0.25" to "run", want "done"`},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := StartExternal(t.Context(), "x", c.command)
			want := c.start
			if err == nil {
				defer e.Close()
				_, err = e.Run()
				want = c.run
			}
			if err == nil || want == "" || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}

// TestExternalCancelled: the end of the context ends the command and what it started, whether it is
// getting ready or runs. Each of its processes holds the writing end of a pipe open.
func TestExternalCancelled(t *testing.T) {
	for name, script := range map[string]string{
		"getting ready": "exec 3> %s; sleep 600 & sleep 600",
		"in a batch":    "echo ready; read -r line; exec 3> %s; sleep 600 & sleep 600",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			pipe := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			gone := make(chan error)
			go func() {
				reader, err := os.Open(pipe) // once the command has opened it too
				cancel()
				if err == nil {
					_, err = io.ReadAll(reader) // ends when nobody can write any more
					reader.Close()
				}
				gone <- err
			}()
			e, err := StartExternal(ctx, "x", fmt.Sprintf(script, pipe))
			if err == nil {
				_, err = e.Run()
				e.Close()
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want %v", err, context.Canceled)
			}
			if err := <-gone; err != nil {
				t.Error(err)
			}
		})
	}
}
