package diskcache

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func testStore(t testing.TB) Store {
	return Store{Dir: filepath.Join(t.TempDir(), "cache"), Limit: 1 << 20, Suffix: ".xla"}
}

func testKey(n int) Key { return sha256.Sum256([]byte(fmt.Sprint(n))) }

// put adds an entry of so many bytes, last used so long ago.
func put(t *testing.T, s Store, key Key, size int, ago time.Duration) {
	t.Helper()
	if err := s.Put(key, bytes.Repeat([]byte("x"), size)); err != nil {
		t.Fatal(err)
	}
	used := time.Now().Add(-ago)
	if err := os.Chtimes(s.path(key), used, used); err != nil {
		t.Fatal(err)
	}
}

func usage(t *testing.T, s Store) Usage {
	t.Helper()
	usage, err := s.Usage()
	if err != nil {
		t.Fatal(err)
	}
	return usage
}

func TestPutGet(t *testing.T) {
	s := testStore(t)
	if _, ok := s.Get(testKey(1)); ok {
		t.Error("an empty store answers")
	}
	for _, payload := range []string{"one", "", "another one"} {
		if err := s.Put(testKey(1), []byte(payload)); err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Get(testKey(1)); !ok || string(got) != payload {
			t.Errorf("%q, %v, want %q", got, ok, payload)
		}
	}
	if _, ok := s.Get(testKey(2)); ok {
		t.Error("answers another key")
	}
	s.Remove(testKey(1))
	if _, ok := s.Get(testKey(1)); ok {
		t.Error("answers after Remove")
	}
	if info, err := os.Stat(s.Dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is for others: %v, %v", info, err)
	}
}

// TestEveryDamage: an entry with any byte changed, cut off anywhere, longer, or in the place of another
// is no answer, and is removed.
func TestEveryDamage(t *testing.T) {
	s := testStore(t)
	key := testKey(1)
	if err := s.Put(key, []byte("a small program")); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(s.path(key))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name string, entry []byte) {
		t.Helper()
		if err := os.WriteFile(s.path(key), entry, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Get(key); ok {
			t.Errorf("%s: answers %q", name, got)
		}
		if _, err := os.Stat(s.path(key)); !os.IsNotExist(err) {
			t.Errorf("%s: is still there", name)
		}
	}
	for i := range whole {
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			damaged := bytes.Clone(whole)
			damaged[i] ^= flip
			refused(fmt.Sprintf("byte %d changed by %#x", i, flip), damaged)
		}
		refused(fmt.Sprintf("%d bytes", i), whole[:i])
	}
	refused("one byte more", append(bytes.Clone(whole), 0))
	refused("twice", append(bytes.Clone(whole), whole...))
	if err := s.Put(testKey(2), []byte("a small program")); err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(s.path(testKey(2)))
	if err != nil {
		t.Fatal(err)
	}
	refused("another key's entry", other)

	if err := os.WriteFile(s.path(key), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, ok := s.Get(key); !ok || string(got) != "a small program" {
		t.Errorf("whole: %q, %v", got, ok)
	}
}

// TestLeastRecentlyUsedGoes: adding removes the entries not used for longest, and no more of them
// than it must; reading is using.
func TestLeastRecentlyUsedGoes(t *testing.T) {
	s := testStore(t)
	s.Limit = int64(3 * (headerSize + 100))
	for i := range 3 {
		put(t, s, testKey(i), 100, time.Duration(10-i)*time.Hour)
	}
	if _, ok := s.Get(testKey(0)); !ok {
		t.Fatal("the oldest is gone before there is need")
	}
	put(t, s, testKey(3), 100, 0)
	has := func(want ...int) {
		t.Helper()
		for i := range 5 {
			_, err := os.Stat(s.path(testKey(i)))
			wanted := false
			for _, w := range want {
				wanted = wanted || w == i
			}
			if (err == nil) != wanted {
				t.Errorf("entry %d is there: %v, want %v", i, err == nil, wanted)
			}
		}
	}
	has(0, 2, 3) // 1 was not used for longest
	put(t, s, testKey(3), 100, 0)
	has(0, 2, 3) // replaced, which takes no room
	put(t, s, testKey(4), 101, 0)
	has(3, 4) // it needs the room of two: 2, and then 0, which was read before 3 was written
	if got := usage(t, s); got.Bytes > s.Limit {
		t.Errorf("%d bytes, at most %d", got.Bytes, s.Limit)
	}
}

func TestBound(t *testing.T) {
	s := testStore(t)
	s.Limit = 5000
	for i := range 200 {
		if err := s.Put(testKey(i), make([]byte, i*37%2000)); err != nil {
			t.Fatal(err)
		}
		if got := usage(t, s); got.Bytes > s.Limit || got.Entries == 0 {
			t.Fatalf("after %d entries: %+v, at most %d bytes", i+1, got, s.Limit)
		}
		if _, ok := s.Get(testKey(i)); !ok {
			t.Fatalf("entry %d is not there after it was added", i)
		}
	}
	before := usage(t, s)
	if err := s.Put(testKey(-1), make([]byte, s.Limit)); err == nil {
		t.Error("an entry above the bound is added")
	}
	if got := usage(t, s); got != before {
		t.Errorf("an entry above the bound made %+v of %+v", got, before)
	}
}

// TestMostEntries: small entries are bounded by their number.
func TestMostEntries(t *testing.T) {
	s := testStore(t)
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range mostEntries {
		if err := os.WriteFile(s.path(testKey(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		put(t, s, testKey(-i-1), 1, 0)
		if got := usage(t, s); got.Entries != mostEntries {
			t.Errorf("%d entries, want %d", got.Entries, mostEntries)
		}
	}
}

// TestOthersFilesStay: what is in the folder and is not the store's is not counted, evicted or cleared.
func TestOthersFilesStay(t *testing.T) {
	s := testStore(t)
	s.Limit = 1000
	put(t, s, testKey(1), 500, time.Hour)
	others := []string{"thesis.txt", "program.xla", testKey(1).String(), testKey(7).String() + ".xla/inside"}
	for _, name := range others {
		path := filepath.Join(s.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, 5000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := s.Get(testKey(7)); ok {
		t.Error("a folder is an answer")
	}
	if got := usage(t, s); got.Entries != 1 || got.Bytes != int64(headerSize+500) {
		t.Errorf("%+v, want one entry", got)
	}
	put(t, s, testKey(2), 500, 0)
	if err := s.Clear(); err != nil {
		t.Fatal(err)
	}
	if got := usage(t, s); got != (Usage{}) {
		t.Errorf("cleared: %+v", got)
	}
	for _, name := range others {
		if _, err := os.Stat(filepath.Join(s.Dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestLeftovers: what a killed process was writing goes in time; what one is writing now does not.
func TestLeftovers(t *testing.T) {
	s := testStore(t)
	put(t, s, testKey(1), 10, 0)
	for name, ago := range map[string]time.Duration{"new-old": 2 * asideKept, "new-now": time.Minute} {
		path, then := filepath.Join(s.Dir, name), time.Now().Add(-ago)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	put(t, s, testKey(2), 10, 0)
	if _, err := os.Stat(filepath.Join(s.Dir, "new-old")); !os.IsNotExist(err) {
		t.Error("a leftover stays")
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "new-now")); err != nil {
		t.Errorf("a file being written: %v", err)
	}
}

func TestCounts(t *testing.T) {
	s := testStore(t)
	s.Add(Hits) // no folder yet: it is not made for a count
	if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
		t.Error("a count made the folder")
	}
	put(t, s, testKey(1), 1, 0)
	for range 3 {
		s.Add(Hits)
	}
	s.Add(Misses)
	if got := usage(t, s); got.Hits != 3 || got.Misses != 1 {
		t.Errorf("%+v, want 3 and 1", got)
	}
}

func BenchmarkGet(b *testing.B) {
	for _, size := range []int{10 << 10, 3 << 20} {
		b.Run(fmt.Sprintf("%d KiB", size>>10), func(b *testing.B) {
			s := testStore(b)
			s.Limit = 1 << 30
			if err := s.Put(testKey(1), make([]byte, size)); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, ok := s.Get(testKey(1)); !ok {
					b.Fatal("not there")
				}
			}
		})
	}
	b.Run("missing", func(b *testing.B) {
		s := testStore(b)
		for b.Loop() {
			s.Get(testKey(1))
		}
	})
}

// BenchmarkPut adds to a store that is full of small entries, each time in place of the oldest.
func BenchmarkPut(b *testing.B) {
	s := testStore(b)
	payload := make([]byte, 1000)
	for i := 0; b.Loop(); i++ {
		if err := s.Put(testKey(i), payload); err != nil {
			b.Fatal(err)
		}
	}
}
