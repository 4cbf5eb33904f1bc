package diskcache

import (
	"os"
	"path/filepath"
)

// Count is what a store counts over all processes since it was cleared.
type Count string

const (
	Hits   Count = "hits"   // answered from the store
	Misses Count = "misses" // computed because it had no answer
)

// A count is a file of as many bytes: appending one is atomic, and needs no lock.
func (s Store) countPath(count Count) string { return filepath.Join(s.Dir, string(count)) }

// Add adds one to a count, where the disk lets it.
func (s Store) Add(count Count) {
	file, err := os.OpenFile(s.countPath(count), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = file.WriteString(".")
	_ = file.Close()
}

// Usage is what a store holds, and what it was good for.
type Usage struct {
	Entries      int
	Bytes        int64
	Hits, Misses int64
}

// Usage looks the store through. A folder that is not there is an empty store.
func (s Store) Usage() (Usage, error) {
	entries, _, err := s.entries()
	if err != nil {
		return Usage{}, err
	}
	usage := Usage{Entries: len(entries), Hits: s.count(Hits), Misses: s.count(Misses)}
	for _, entry := range entries {
		usage.Bytes += entry.Bytes
	}
	return usage, nil
}

func (s Store) count(count Count) int64 {
	info, err := os.Stat(s.countPath(count))
	if err != nil {
		return 0
	}
	return info.Size()
}
