//go:build unix

package train_test

import (
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tokenfuse/lib/weights"
)

// limitVariable makes a child's files stop growing behind its second step, as on a full disk.
const limitVariable = "TOKENFUSE_TRAIN_LIMIT"

func limitFiles() {
	signal.Ignore(syscall.SIGXFSZ) // so that writing fails instead
	limit := syscall.Rlimit{Cur: 4096, Max: 4096}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		panic(err)
	}
}

// TestFullDisk: a checkpoint that cannot be written is one line, and the one before it is whole.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	err := runChild(dir, -1, 0, limitVariable+"=1")
	if err == nil || !strings.Contains(err.Error(), "the one before it is kept") || strings.Count(strings.TrimSpace(err.Error()), "\n") != 0 {
		t.Errorf("%v does not say in one line that the last checkpoint is kept", err)
	}
	file, err := weights.Read(filepath.Join(dir, "checkpoint.safetensors"))
	if err != nil || file.Metadata["step"] != "1" {
		t.Errorf("the checkpoint is %v, %v, want that of step 1", file, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
