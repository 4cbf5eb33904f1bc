package diskcache

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Entry is an entry as the folder shows it.
type Entry struct {
	Path  string
	Bytes int64
	Used  time.Time // when it was written or read last, which is its time of modification
}

// Head returns the first n bytes of the payload, or all of a shorter one, unchecked.
func (e Entry) Head(n int) ([]byte, error) {
	file, err := os.Open(e.Path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	head := make([]byte, n)
	read, err := file.ReadAt(head, int64(headerSize))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return head[:read], err
}

// Entries lists the entries, the one not used for longest first.
func (s Store) Entries() ([]Entry, error) {
	entries, _, err := s.entries()
	return entries, err
}

// entries lists the entries, the one not used for longest first, and the files being written.
func (s Store) entries() (entries, aside []Entry, err error) {
	files, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // gone meanwhile, or not the store's
		}
		found := Entry{filepath.Join(s.Dir, file.Name()), info.Size(), info.ModTime()}
		switch {
		case s.isEntry(file.Name()):
			entries = append(entries, found)
		case isAside(file.Name()):
			aside = append(aside, found)
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(a.Used.Compare(b.Used), cmp.Compare(a.Path, b.Path))
	})
	return entries, aside, nil
}

// mostEntries bounds the number of entries, so that listing them stays a matter of milliseconds.
const mostEntries = 4096

// makeRoom removes entries, those not used for longest first, until size more bytes fit in the place
// of replaced. It runs under the lock.
func (s Store) makeRoom(size int64, replaced string) error {
	entries, aside, err := s.entries()
	if err != nil {
		return err
	}
	for _, file := range aside {
		if time.Since(file.Used) > asideKept {
			_ = os.Remove(file.Path)
		}
	}
	entries = slices.DeleteFunc(entries, func(entry Entry) bool { return entry.Path == replaced })
	total, count := size, 1+len(entries)
	for _, entry := range entries {
		total += entry.Bytes
	}
	for _, entry := range entries {
		if total <= s.Limit && count <= mostEntries {
			break
		}
		if err := os.Remove(entry.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		total -= entry.Bytes
		count--
	}
	return nil
}

// Clear removes the entries and the counts. Other files in the folder are not touched.
func (s Store) Clear() error {
	if _, err := os.Stat(s.Dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return s.locked(func() error {
		entries, aside, err := s.entries()
		if err != nil {
			return err
		}
		for _, entry := range append(entries, aside...) {
			err = errors.Join(err, removed(entry.Path))
		}
		for _, count := range []Count{Hits, Misses} {
			err = errors.Join(err, removed(s.countPath(count)))
		}
		return err
	})
}

// removed removes a file that may be gone already.
func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
