//go:build unix

package datasets

import (
	"path/filepath"
	"syscall"
	"testing"
)

// TestPipes: a pipe among the files, that nobody writes to, is refused and not waited for.
func TestPipes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "picture.png")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func() error{
		"picture":       func() error { _, err := DecodeImage(path); return err },
		"IDX":           func() error { _, err := readIDX(path, 3); return err },
		"CIFAR":         func() error { _, err := cifar10().readFiles([]string{path}); return err },
		"CIFAR archive": func() error { _, err := cifar10().readArchive(path, nil); return err },
	} {
		t.Run(name, func(t *testing.T) { checkError(t, read(), "picture.png", "is not a file") })
	}
}
