package jupyter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"testing"

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
	if syscall.Kill(child, 0) == nil && !zombie(child) {
		t.Errorf("child %d lives", child)
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	checkGone(t, kernel)
}

// zombie says whether a process has ended and only waits to be collected.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && regexp.MustCompile(`\) [ZX] `).Match(stat)
}
