// Package compilecache says what a compiled program depends on ([Program]), so that it can be kept on
// disk and answered from there ([Store]).
package compilecache

import "tokenfuse/lib/internal/diskcache"

// version is that of how keys are made; raising it makes every entry there is as good as none.
const version = 1

// Key names an entry of the cache.
type Key = diskcache.Key

// Store is the cache of compiled programs.
type Store struct{ diskcache.Store }

// In returns the cache in a folder, of at most limit bytes.
func In(dir string, limit int64) Store {
	return Store{diskcache.Store{Dir: dir, Limit: limit, Suffix: ".xla"}}
}
