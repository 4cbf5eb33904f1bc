// Package whole writes files, and makes folders, that are there whole or not at all, whatever becomes of
// the writer.
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
// writers of the same file have left aside is removed. A symbolic link stays one, and a device or a pipe
// (/dev/null, /dev/stdout) is written to as it is: nothing can take its place. Errors name no path but that
// of the system.
func Write(path string, mode fs.FileMode, write func(io.Writer) error) (err error) {
	if Special(path) {
		return writeTo(path, write)
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	aside, lock, err := create(path, os.CreateTemp)
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

// Special says whether a path is that of something other than a file or a folder.
func Special(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

func writeTo(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// Folder makes an empty folder beside path, for what is put together there and then renamed to its place.
// It is there until remove is called; what killed makers of a folder for the same path have left is removed.
func Folder(path string) (folder string, remove func() error, err error) {
	aside, lock, err := create(path, func(dir, pattern string) (*os.File, error) {
		name, err := os.MkdirTemp(dir, pattern)
		if err != nil {
			return nil, err
		}
		return os.Open(name)
	})
	if err != nil {
		return "", nil, err
	}
	return aside.Name(), func() error {
		return errors.Join(os.RemoveAll(aside.Name()), aside.Close(), lock.Close())
	}, nil
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

// create makes a file or a folder aside that is locked as long as its writer lives.
func create(path string, begin func(dir, pattern string) (*os.File, error)) (*os.File, *flock.Flock, error) {
	sweep(path)
	const attempts = 10
	for range attempts {
		aside, err := begin(filepath.Dir(path), prefix(path))
		if err != nil {
			return nil, nil, err
		}
		made, err := aside.Stat()
		if err != nil {
			_ = aside.Close()
			return nil, nil, err
		}
		lock := lockOf(aside.Name(), made.IsDir())
		// A file system without locks does without the sweeping, which then takes nothing for left behind.
		if got, err := lock.TryLock(); err == nil && !got {
			_, _ = aside.Close(), lock.Close()
			continue // another writer is just taking it for left behind
		}
		// Or it has done so, before it was locked.
		there, err := os.Stat(aside.Name())
		if err == nil && os.SameFile(made, there) {
			return aside, lock, nil
		}
		_, _ = aside.Close(), lock.Close()
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("no file beside %q stays there", path)
}

// lockOf is the lock of a file or a folder aside. It is opened as network file systems want it for a lock,
// which a folder cannot be.
func lockOf(path string, folder bool) *flock.Flock {
	flag := os.O_RDWR
	if folder {
		flag = os.O_RDONLY
	}
	return flock.New(path, flock.SetFlag(flag))
}

// sweep removes what is aside and whose writers are gone.
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
		lock := lockOf(filepath.Join(folder, entry.Name()), entry.IsDir())
		if free, err := lock.TryLock(); err == nil && free {
			_ = os.RemoveAll(lock.Path()) // another may have been faster
		}
		_ = lock.Close()
	}
}
