package accel

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"tokenfuse/lib/accel/internal/compilecache"
)

// CacheVariable names the environment variable that says where the compile cache is: a folder, or
// "off" for none. Unset, it is tokenfuse/xla in the user's cache folder (os.UserCacheDir).
const CacheVariable = "TOKENFUSE_COMPILE_CACHE"

// cacheLimit bounds the compile cache. DeiT-S under MCTF takes 3 MB.
const cacheLimit = 1 << 30

var cacheCounts struct{ hits, misses atomic.Int64 }

// CacheStats returns how many graphs of this process the compile cache answered, and how many were
// compiled because it had no answer. Both stay 0 where it is off or the backend is not XLA's.
func CacheStats() (hits, misses int) {
	return int(cacheCounts.hits.Load()), int(cacheCounts.misses.Load())
}

// CacheReport is the state of the compile cache, over all processes.
type CacheReport struct {
	Dir     string `json:"dir,omitempty"` // empty if there is none
	Entries int    `json:"entries"`
	Bytes   int64  `json:"bytes"`
	Limit   int64  `json:"limit"` // of Bytes
	// Graphs answered, and graphs compiled for want of an answer, since the cache was last emptied.
	Hits   int64 `json:"hits"`
	Misses int64 `json:"misses"`
	// Note says why there is none, or why it could not be looked at.
	Note string `json:"note,omitempty"`
}

// Cache looks at the compile cache, and changes nothing.
func Cache() CacheReport {
	store, err := cacheStore()
	if err != nil {
		return CacheReport{Note: err.Error()}
	}
	usage, err := store.Usage()
	report := CacheReport{Dir: store.Dir, Limit: store.Limit, Entries: usage.Entries, Bytes: usage.Bytes, Hits: usage.Hits, Misses: usage.Misses}
	if err != nil {
		report.Note = FirstLine(err)
	}
	return report
}

// ClearCache empties the compile cache. Other files that are in its folder stay.
func ClearCache() error {
	store, err := cacheStore()
	if err != nil {
		return fmt.Errorf("accel: no compile cache to empty: %w", err)
	}
	if err := store.Clear(); err != nil {
		return fmt.Errorf("accel: the compile cache in %q cannot be emptied: %s", store.Dir, FirstLine(err))
	}
	return nil
}

// cacheStore returns the compile cache. An error says why there is none.
func cacheStore() (compilecache.Store, error) {
	dir := os.Getenv(CacheVariable)
	if dir == "off" {
		return compilecache.Store{}, fmt.Errorf("%s is off", CacheVariable)
	}
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return compilecache.Store{}, fmt.Errorf("no cache folder (set %s): %w", CacheVariable, err)
		}
		dir = filepath.Join(user, "tokenfuse", "xla")
	}
	dir, err := filepath.Abs(dir)
	return compilecache.In(dir, cacheLimit), err
}
