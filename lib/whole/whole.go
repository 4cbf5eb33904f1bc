// Package whole writes files that are there whole or not at all, whatever becomes of the writer.
package whole

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// Write writes a file of that mode: aside, in the same folder, then renamed once it is on the disk. After
// an error, or when the process was killed meanwhile, path holds what it held before. What killed
// writers of the same file have left aside is removed. Errors name no path but that of the system.
func Write(path string, mode fs.FileMode, write func(io.Writer) error) (err error) {
	sweep(path)
	aside, lock, err := create(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(aside.Name()))
		}
		_ = lock.Close()
	}()
	buffered := bufio.NewWriterSize(aside, 1<<16)
	err = write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = aside.Chmod(mode)
	}
	if err == nil {
		err = aside.Sync()
	}
	if closeErr := aside.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(aside.Name(), path)
	}
	return err
}

// WriteFile is Write of what is in memory.
func WriteFile(path string, content []byte, mode fs.FileMode) error {
	return Write(path, mode, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// prefix begins the names of files being written in the place of path.
func prefix(path string) string { return "." + filepath.Base(path) + ".writing-" }

// create makes a file aside that is locked as long as its writer lives.
func create(path string) (*os.File, *flock.Flock, error) {
	const attempts = 10
	for range attempts {
		aside, err := os.CreateTemp(filepath.Dir(path), prefix(path))
		if err != nil {
			return nil, nil, err
		}
		lock := flock.New(aside.Name(), flock.SetFlag(os.O_RDWR))
		// A file system without locks does without the sweeping, which then takes nothing for left behind.
		if got, err := lock.TryLock(); err == nil && !got {
			_, _ = aside.Close(), lock.Close()
			continue // another writer is just taking it for left behind
		}
		// Or it has done so, before it was locked.
		made, err := aside.Stat()
		if err == nil {
			var there fs.FileInfo
			if there, err = os.Stat(aside.Name()); err == nil && os.SameFile(made, there) {
				return aside, lock, nil
			}
		}
		_, _ = aside.Close(), lock.Close()
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("no file beside %q stays there", path)
}

// sweep removes the files aside whose writers are gone.
func sweep(path string) {
	folder := filepath.Dir(path)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return // the writing will say so
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), prefix(path)) {
			continue
		}
		lock := flock.New(filepath.Join(folder, entry.Name()), flock.SetFlag(os.O_RDWR))
		if free, err := lock.TryLock(); err == nil && free {
			_ = os.Remove(lock.Path()) // another may have been faster
		}
		_ = lock.Close()
	}
}
