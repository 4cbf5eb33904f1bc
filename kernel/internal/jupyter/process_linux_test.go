package jupyter

import (
	"context"
	"errors"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"tokenfuse/kernel/internal/nbformat"
)

func TestStuckCellIsKilledWithItsChildren(t *testing.T) {
	kernel := startFake(t, "message")
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	var recorder Recorder
	var cell nbformat.Cell
	recorder.Begin(&cell)
	_, err := kernel.Execute(ctx, "stuck", func(m *Message) {
		recorder.Take(m)
		if m.Type == "stream" {
			cancel(reason)
		}
	})
	recorder.End()
	if !errors.Is(err, reason) || kernel.Alive() {
		t.Errorf("error %v, alive %v: want the cause and a dead kernel", err, kernel.Alive())
	}
	child, err := strconv.Atoi(cell.Outputs[0].Text)
	if err != nil {
		t.Fatal(err)
	}
	if _, running := parentOf("/proc/" + strconv.Itoa(child)); running {
		t.Errorf("child %d lives", child)
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	checkGone(t, kernel)
}

// The guard's input ends, as it does when the runner is killed, while the kernel is at work.
func TestGuardCleansUpForKilledRunner(t *testing.T) {
	kernel, err := Start(t.Context(), fakeSpec(t, "plain", "message"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kernel.Kill() }()
	if err := kernel.guard.line.Close(); err != nil {
		t.Fatal(err)
	}
	if err := kernel.guard.command.Wait(); err != nil {
		t.Error(err)
	}
	kernel.process.wait(time.Minute)
	if kernel.Alive() {
		t.Error("the kernel lives")
	}
	if _, err := os.Stat(kernel.folder); !os.IsNotExist(err) {
		t.Errorf("the temporary folder is left: %v", err)
	}
}
