package accel

import (
	"os"
	"path/filepath"
	"sync/atomic"

	"tokenfuse/lib/accel/internal/compilecache"
)

// CacheVariable names the environment variable that says where the compile cache is: a folder, or
// "off" for none. Unset, it is tokenfuse/xla in the user's cache folder (os.UserCacheDir).
const CacheVariable = "TOKENFUSE_COMPILE_CACHE"

// cacheLimit bounds the compile cache. 
const cacheLimit = 1 << 30

var cacheCounts struct{ hits, misses atomic.Int64 }

// CacheStats returns how many graphs of this process the compile cache answered, and how many were
// compiled because it had no answer.
func CacheStats() (hits, misses int) {
	return int(cacheCounts.hits.Load()), int(cacheCounts.misses.Load())
}

// CacheReport is the state of the compile cache, over all processes.
type CacheReport struct {
	Dir     string `json:"dir,omitempty"` // empty if it is off
	Entries int    `json:"entries"`
	Bytes   int64  `json:"bytes"`
	Limit   int64  `json:"limit"` // in bytes
	// Graphs answered, and graphs compiled for want of an answer, since the cache was last cleared.
	Hits   int64 `json:"hits"`
	Misses int64 `json:"misses"`
}

// Cache looks the compile cache through.
func Cache() (CacheReport, error) {
	store, on := cacheStore()
	if !on {
		return CacheReport{}, nil
	}
	usage, err := store.Usage()
	return CacheReport{store.Dir, usage.Entries, usage.Bytes, store.Limit, usage.Hits, usage.Misses}, err
}

// ClearCache empties the compile cache. Other files that are in its folder stay.
func ClearCache() error {
	if store, on := cacheStore(); on {
		return store.Clear()
	}
	return nil
}

// cacheStore returns the compile cache, and whether there is to be one.
func cacheStore() (store compilecache.Store, on bool) {
	dir := os.Getenv(CacheVariable)
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return store, false
		}
		dir = filepath.Join(user, "tokenfuse", "xla")
	}
	if dir == "off" {
		return store, false
	}
	dir, err := filepath.Abs(dir)
	return compilecache.Store{Dir: dir, Limit: cacheLimit}, err == nil
}
