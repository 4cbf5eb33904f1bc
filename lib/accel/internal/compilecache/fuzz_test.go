package compilecache

import (
	"bytes"
	"os"
	"slices"
	"sync"
	"testing"
)

// FuzzOpen: an entry is opened only if it is to the last bit what Put writes of its payload, and one that
// is not is removed.
func FuzzOpen(f *testing.F) {
	key := testKey(1)
	whole := slices.Concat(header(key, []byte("payload")), []byte("payload"))
	f.Add(whole)
	f.Add(whole[:headerSize])
	f.Add(whole[:len(whole)-1])
	f.Add(append(bytes.Clone(whole), 0))
	f.Add(slices.Concat(header(testKey(2), []byte("payload")), []byte("payload")))
	f.Add(bytes.Replace(whole, []byte("\x07\x00\x00\x00\x00\x00\x00\x00"), bytes.Repeat([]byte{0xff}, 8), 1))
	s := testStore(f)
	if err := os.Mkdir(s.Dir, 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		if err := os.WriteFile(s.path(key), entry, 0o600); err != nil {
			t.Fatal(err)
		}
		payload, ok := s.Get(key)
		if want := slices.Concat(header(key, payload), payload); ok != bytes.Equal(entry, want) {
			t.Fatalf("opened: %v, of %x", ok, entry)
		}
		if _, err := os.Stat(s.path(key)); (err == nil) != ok {
			t.Fatalf("opened: %v, and then the entry is %v", ok, err)
		}
	})
}

// TestGoroutines: goroutines that add, read, evict and count in one store see whole entries or none.
func TestGoroutines(t *testing.T) {
	s := testStore(t)
	s.Limit = 20_000 // room for some of the entries
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 20 {
				n := (worker + i) % 6
				payload := bytes.Repeat([]byte{byte(n)}, 5000)
				if got, ok := s.Get(testKey(n)); ok && !bytes.Equal(got, payload) {
					t.Errorf("entry %d holds something else", n)
				}
				if err := s.Put(testKey(n), payload); err != nil {
					t.Error(err)
				}
				s.Add(Hits)
				if usage, err := s.Usage(); err != nil || usage.Bytes > s.Limit {
					t.Errorf("%+v, %v", usage, err)
				}
			}
		})
	}
	all.Wait()
	if got := usage(t, s).Hits; got != 160 {
		t.Errorf("%d hits were counted, want 160", got)
	}
}
