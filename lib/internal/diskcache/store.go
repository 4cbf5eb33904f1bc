// Package diskcache keeps what was computed on disk, for all processes of a user.
//
// A [Store] is a folder of entries, each a file named by its [Key], which is the SHA-256 of all that
// the entry depends on. Processes share it without asking each other: an entry is written
// aside and renamed, so that it is there whole or not at all, and is checked when it is read, so that
// one damaged in any way is as good as none. Nothing is synced to the disk: what a power cut leaves
// of an entry fails the same check. Only who adds an entry takes a lock, to keep the size bound.
package diskcache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const (
	// Processes hold the lock for some milliseconds; one that is stopped must not stop others.
	lockPatience = 2 * time.Second
	// What a process that was killed left half-written goes after this time.
	asideKept = time.Hour

	asidePrefix = "new-"
	lockName    = ".lock"
)

// Store is a cache in a folder, which is made when the first entry is. All methods are safe for
// several goroutines and several processes.
type Store struct {
	Dir   string
	Limit int64 // bytes that the entries may take together
	// Suffix ends the names of entries, such as ".xla". Files of other names are not the store's.
	Suffix string
}

// hexKey is how the names of entries begin.
var hexKey = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (s Store) isEntry(name string) bool {
	key, ok := strings.CutSuffix(name, s.Suffix)
	return ok && hexKey.MatchString(key)
}

func (s Store) path(key Key) string { return filepath.Join(s.Dir, key.String()+s.Suffix) }

// Get returns the payload of key's entry, which becomes the one used last. An entry that is damaged
// is removed.
func (s Store) Get(key Key) (payload []byte, ok bool) {
	path := s.path(key)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() > s.Limit {
		return nil, false
	}
	entry, err := os.ReadFile(path)
	if err != nil {
		return nil, false
	}
	if payload, ok = open(key, entry); !ok {
		s.Remove(key)
		return nil, false
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // fails on a read-only disk, where nothing will be evicted
	return payload, true
}

// Remove removes key's entry, if there is one.
func (s Store) Remove(key Key) { _ = os.Remove(s.path(key)) }

// Put writes key's entry, in place of the one there, after removing as many of those not used for
// longest as the size bound asks for. After an error the store is as before, or has fewer entries.
func (s Store) Put(key Key, payload []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cache in %q: %w", s.Dir, err)
		}
	}()
	size := int64(headerSize + len(payload))
	if size > s.Limit {
		return fmt.Errorf("an entry of %d bytes is above the bound of %d", size, s.Limit)
	}
	// For the user alone: who can write here decides what the user's programs execute.
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	aside, err := s.writeAside(header(key, payload), payload)
	if err != nil {
		return err
	}
	err = s.locked(func() error {
		if err := s.makeRoom(size, s.path(key)); err != nil {
			return err
		}
		return os.Rename(aside, s.path(key))
	})
	if err != nil {
		return errors.Join(err, os.Remove(aside))
	}
	return nil
}

// writeAside writes a file of its own that is no entry yet.
func (s Store) writeAside(parts ...[]byte) (path string, err error) {
	file, err := os.CreateTemp(s.Dir, asidePrefix)
	if err != nil {
		return "", err
	}
	for _, part := range parts {
		if err == nil {
			_, err = file.Write(part)
		}
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// locked runs f while no other process or goroutine is in locked.
func (s Store) locked(f func() error) error {
	lock := flock.New(filepath.Join(s.Dir, lockName))
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	if _, err := lock.TryLockContext(ctx, 5*time.Millisecond); err != nil {
		return fmt.Errorf("cannot lock: %w", err)
	}
	defer lock.Unlock()
	return f()
}

// isAside says whether a name is that of a file being written.
func isAside(name string) bool { return strings.HasPrefix(name, asidePrefix) }
