//go:build unix

// Package processes ends what a command has started, however the command itself ends. A Family is a
// temporary folder and every process that was started to work in it: Close ends them and removes the
// folder; a guard does so when the command is killed; and when the guard is killed with it, the next
// family that is made on the machine does.
package processes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// FolderVariable is set in the environment of all processes of a family. Whoever carries its folder
// there belongs to it, even where its parent is gone.
const FolderVariable = "TOKENFUSE_RUN"

// prefix begins the names of families' folders.
const prefix = "tokenfuse-run-"

// Family is a private temporary folder and the processes started to work in it.
type Family struct {
	Folder string
	owner  *flock.Flock // held as long as the command lives
	guard  *guard
}

// New makes a family in the user's temporary folder, after removing those that nobody owns any more.
func New() (*Family, error) {
	sweep(os.TempDir())
	// Under its final name the folder is owned from the first moment.
	unnamed, err := os.MkdirTemp("", ".tokenfuse-new-")
	if err != nil {
		return nil, err
	}
	f := &Family{Folder: filepath.Join(os.TempDir(), prefix+strings.TrimPrefix(filepath.Base(unnamed), ".tokenfuse-new-"))}
	err = os.Mkdir(filepath.Join(unnamed, "tmp"), 0o700)
	if err == nil {
		f.owner = flock.New(filepath.Join(unnamed, "owner"), flock.SetPermissions(0o600))
		_, err = f.owner.TryLock()
	}
	if err == nil {
		err = os.Rename(unnamed, f.Folder)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(unnamed))
	}
	f.guard = startGuard(f.Folder)
	return f, nil
}

// sweep removes what commands have left in dir that were killed together with their guards.
func sweep(dir string) {
	found, _ := filepath.Glob(filepath.Join(dir, prefix+"*", "owner")) // the pattern is right
	for _, path := range found {
		owner := flock.New(path, flock.SetFlag(os.O_RDWR))
		if free, err := owner.TryLock(); err != nil || !free {
			continue // in use, or another user's
		}
		left := Family{Folder: filepath.Dir(path), owner: owner}
		_ = left.Close() // what cannot be removed harms nobody
	}
	unnamed, _ := filepath.Glob(filepath.Join(dir, ".tokenfuse-new-*"))
	for _, path := range unnamed {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.RemoveAll(path)
		}
	}
}

// Temporary is the family's folder for temporary files.
func (f *Family) Temporary() string { return filepath.Join(f.Folder, "tmp") }

// Environ makes the environment of a process of the family out of base.
func (f *Family) Environ(base []string) []string {
	return append(base[:len(base):len(base)], "TMPDIR="+f.Temporary(), FolderVariable+"="+f.Folder)
}

// Kill ends the family's processes, and whatever descends from leader or is in its session; 0 stands
// for no leader. The leader itself stays. They are stopped before they are killed: what has stopped
// starts nothing more.
func (f *Family) Kill(leader int) error {
	stopped := map[int]bool{}
	for range 100 {
		members, err := members(leader, f.Folder)
		if err != nil {
			return err
		}
		before := len(stopped)
		for _, pid := range members {
			if !stopped[pid] {
				_ = syscall.Kill(pid, syscall.SIGSTOP) // it may just have ended
				stopped[pid] = true
			}
		}
		if len(stopped) == before {
			break
		}
	}
	for range 100 {
		members, err := members(leader, f.Folder)
		if err != nil || len(members) == 0 {
			return err
		}
		for _, pid := range members {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("processes of %q do not end", f.Folder)
}

// Close ends the family's processes and removes its folder.
func (f *Family) Close() error {
	err := f.Kill(0)
	// Above all the others, so that no sweep takes what is half gone for its own.
	err = errors.Join(err, os.RemoveAll(f.Temporary()), os.RemoveAll(f.Folder))
	if f.owner != nil {
		_ = f.owner.Close()
	}
	f.guard.dismiss()
	return err
}
