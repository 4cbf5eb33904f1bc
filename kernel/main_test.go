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

// heedHangup lets what the test starts begin as in a terminal, though the tests run under nohup: a signal that
// is ignored is so in children too, one that is caught is not.
func heedHangup(t *testing.T) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(caught) })
}

// TestHangup: a terminal that is closed interrupts a command, unless nohup asks to outlive it.
func TestHangup(t *testing.T) {
	heedHangup(t)
	for name, start := range map[string]string{"in a terminal": `exec "$0" "$@"`, "under nohup": `trap "" HUP; exec "$0" "$@"`} {
		t.Run(name, func(t *testing.T) {
			nohup := name == "under nohup"
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
