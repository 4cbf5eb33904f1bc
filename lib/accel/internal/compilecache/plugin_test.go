//go:build linux || darwin

package compilecache

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func identify(t *testing.T, path string) Identity {
	t.Helper()
	id, err := Identify(path)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestContent: the hash is that of the content, from the store once the file was left alone, and a
// file that was replaced or overwritten is not taken for the one before, whatever its size and time.
func TestContent(t *testing.T) {
	s := In(filepath.Join(t.TempDir(), "cache"), 1<<20)
	path := filepath.Join(t.TempDir(), "plugin.so")
	later := time.Now().Add(time.Hour)
	check := func(name, content string, entries int, now time.Time) {
		t.Helper()
		got, err := s.content(identify(t, path), now)
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte(content))); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, want)
		}
		if got, err := s.Usage(); err != nil || got.Entries != entries {
			t.Errorf("%s: %d entries, want %d (%v)", name, got.Entries, entries, err)
		}
	}
	write(t, path, "first")
	then := time.Now().Add(-24 * time.Hour)
	setTime := func() {
		t.Helper()
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	setTime()
	check("just written", "first", 0, time.Now())
	check("left alone", "first", 1, later)
	check("again", "first", 1, later)
	first := identify(t, path)

	time.Sleep(20 * time.Millisecond) // file systems keep times to some milliseconds
	write(t, path, "other")
	setTime()
	if identify(t, path) == first {
		t.Error("overwritten, and as before to the eye")
	}
	check("overwritten", "other", 2, later)

	replacement := filepath.Join(t.TempDir(), "replacement")
	write(t, replacement, "third")
	if err := os.Rename(replacement, path); err != nil {
		t.Fatal(err)
	}
	setTime()
	check("replaced", "third", 3, later)
	if _, err := s.content(first, later); err != nil {
		t.Errorf("the first, remembered: %v", err)
	}
	if err := s.Clear(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.content(first, later); err == nil {
		t.Errorf("a file that is no longer there has the hash %s", got)
	}
	if _, err := Identify(path + "/none"); err == nil {
		t.Error("nothing has an identity")
	}
}

// TestLibraries: those beside a CUDA plugin are named, by size and time.
func TestLibraries(t *testing.T) {
	root := t.TempDir()
	plugin := filepath.Join(root, "nvidia", "plugin.so")
	if got := Libraries(filepath.Join(root, "pjrt", "pjrt_cpu.so")); len(got) != 0 {
		t.Errorf("a plugin without: %q", got)
	}
	for _, name := range []string{"plugin.so", "cudnn/lib/libcudnn.so.9", "cudnn/LICENSE", "cu13/bin/ptxas"} {
		path := filepath.Join(root, "nvidia", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path, name)
	}
	before := fmt.Sprint(Libraries(plugin))
	write(t, filepath.Join(root, "nvidia", "cudnn", "LICENSE"), "another")
	if got := fmt.Sprint(Libraries(plugin)); got != before {
		t.Errorf("another licence: %s, before %s", got, before)
	}
	write(t, filepath.Join(root, "nvidia", "cudnn/lib/libcudnn.so.9"), "another")
	if got := fmt.Sprint(Libraries(plugin)); got == before {
		t.Errorf("another library: %s as before", got)
	}
}
