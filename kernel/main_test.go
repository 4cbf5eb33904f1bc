package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// TestHangup: a terminal that is closed interrupts a command, unless nohup asks to outlive it.
func TestHangup(t *testing.T) {
	for name, start := range map[string]string{"in a terminal": `exec "$0" "$@"`, "under nohup": `trap "" HUP; exec "$0" "$@"`} {
		t.Run(name, func(t *testing.T) {
			nohup := name == "under nohup"
			if !nohup && signal.Ignored(syscall.SIGHUP) {
				t.Skip("the tests run under nohup, and so does what they start")
			}
			// A setup that waits for another.
			home := t.TempDir()
			lock := flock.New(filepath.Join(home, ".lock"))
			if free, err := lock.TryLock(); err != nil || !free {
				t.Fatal(free, err)
			}
			defer lock.Close()
			cmd := exec.CommandContext(t.Context(), "sh", "-c", start, os.Args[0], "setup", "--no-jupyter")
			cmd.Env = append(os.Environ(), "TOKENFUSE_TEST_COMMAND=1", "TOKENFUSE_HOME="+home, "JUPYTER_DATA_DIR="+home)
			stderr, err := cmd.StderrPipe()
			must(t, err)
			must(t, cmd.Start())
			said := bufio.NewReader(stderr)
			if line, err := said.ReadString('\n'); err != nil {
				t.Fatal(line, err)
			}
			ended := make(chan struct{})
			go func() {
				_, _ = io.Copy(io.Discard, said)
				close(ended)
			}()
			must(t, cmd.Process.Signal(syscall.SIGHUP))
			if nohup {
				select {
				case <-ended:
					t.Error("it did not outlive the terminal")
				case <-time.After(time.Second):
				}
				must(t, cmd.Process.Signal(syscall.SIGTERM))
			}
			<-ended
			_ = cmd.Wait() // the exit code says it
			if code := cmd.ProcessState.ExitCode(); code != 130 {
				t.Errorf("exit %d, want 130", code)
			}
		})
	}
}
