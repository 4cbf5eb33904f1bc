//go:build linux || darwin

package diskcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	taskVariable = "DISKCACHE_TEST_TASK"
	dirVariable  = "DISKCACHE_TEST_DIR"
)

// TestMain runs the tests, or a task in a process that a test started.
func TestMain(m *testing.M) {
	s := Store{Dir: os.Getenv(dirVariable), Limit: sharedLimit, Suffix: ".xla"}
	switch task := os.Getenv(taskVariable); task {
	case "":
		os.Exit(m.Run())
	case "full":
		fmt.Print(onFullDisk(s))
	default:
		seed, _ := strconv.Atoi(task)
		fmt.Print(share(s, seed))
	}
}

func start(task, dir string) (string, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), taskVariable+"="+task, dirVariable+"="+dir)
	said, err := cmd.CombinedOutput()
	return string(said), err
}

const (
	sharedKeys  = 12
	sharedLimit = 6 * 20_000 // about half of what the processes want to keep
)

// sharedPayload is what every process stores for a key: up to 39 KB.
func sharedPayload(n int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "program %d;", n), 100+n*300)
}

// share reads and writes the entries of a store at random, and one process damages some. It says what
// went wrong, if anything.
func share(s Store, seed int) string {
	next := uint32(seed*2654435761 + 1)
	random := func(n int) int {
		next = next*1664525 + 1013904223
		return int(next>>8) % n
	}
	hits := 0
	for i := range 150 {
		n := random(sharedKeys)
		if got, ok := s.Get(testKey(n)); ok {
			hits++
			s.Add(Hits)
			if !bytes.Equal(got, sharedPayload(n)) {
				return fmt.Sprintf("a wrong answer of %d bytes for %d", len(got), n)
			}
		} else if err := s.Put(testKey(n), sharedPayload(n)); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err.Error() // other than that the lock was not free on a busy machine
		}
		if i%10 == 0 {
			var usage Usage
			err := s.locked(func() (err error) { usage, err = s.Usage(); return err })
			if usage.Bytes > s.Limit || err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Sprintf("%+v, %v, at most %d bytes", usage, err, s.Limit)
			}
		}
		if seed == 3 && i%20 == 5 {
			_ = os.Truncate(s.path(testKey(n)), 100)
		}
	}
	return fmt.Sprintf("hits %d", hits)
}

// TestSixteenProcesses read, write and evict in one store at once: no wrong answer, the bound holds at
// all times, nothing is left half-written, and no count is lost.
func TestSixteenProcesses(t *testing.T) {
	s := testStore(t)
	s.Limit = sharedLimit
	said := make([]string, 16)
	var running sync.WaitGroup
	for i := range said {
		running.Go(func() {
			var err error
			if said[i], err = start(strconv.Itoa(i+1), s.Dir); err != nil {
				said[i] += err.Error()
			}
		})
	}
	running.Wait()
	var hits int64
	for i, line := range said {
		n, err := strconv.ParseInt(strings.TrimPrefix(line, "hits "), 10, 64)
		if err != nil {
			t.Errorf("process %d: %s", i, line)
		}
		hits += n
	}
	if got := usage(t, s); got.Bytes > s.Limit || got.Hits != hits || hits == 0 || got.Entries < 2 {
		t.Errorf("%+v, want %d hits and at most %d bytes", got, hits, s.Limit)
	}
	if left, err := filepath.Glob(filepath.Join(s.Dir, asidePrefix+"*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// onFullDisk adds entries where files cannot grow beyond 4 KB, which is what a full disk looks like to
// who writes: some bytes are taken, then there is an error. It says what went wrong, if anything.
func onFullDisk(s Store) string {
	signal.Ignore(unix.SIGXFSZ)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 4096, Max: 4096}); err != nil {
		return err.Error()
	}
	if err := s.Put(testKey(1), make([]byte, 10_000)); err == nil {
		return "10 KB went into 4"
	}
	if _, ok := s.Get(testKey(1)); ok {
		return "a partial entry answers"
	}
	if got, ok := s.Get(testKey(2)); !ok || len(got) != 8000 {
		return "the entry of before is gone"
	}
	if err := s.Put(testKey(3), make([]byte, 1000)); err != nil {
		return err.Error()
	}
	return "as expected"
}

func TestFullDisk(t *testing.T) {
	s := testStore(t)
	s.Limit = sharedLimit
	if err := s.Put(testKey(2), make([]byte, 8000)); err != nil {
		t.Fatal(err)
	}
	if said, err := start("full", s.Dir); err != nil || said != "as expected" {
		t.Errorf("%s, %v", said, err)
	}
	if got := usage(t, s); got.Entries != 2 {
		t.Errorf("%+v, want two entries", got)
	}
	if left, err := filepath.Glob(filepath.Join(s.Dir, asidePrefix+"*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// TestNoFolder: where the folder cannot be made nothing answers, and adding is an error that can be
// ignored.
func TestNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below"), "/dev/null/cache"} {
		s := Store{Dir: dir, Limit: 1 << 20, Suffix: ".xla"}
		if err := s.Put(testKey(1), []byte("x")); err == nil {
			t.Errorf("%s: added", dir)
		}
		if _, ok := s.Get(testKey(1)); ok {
			t.Errorf("%s: answers", dir)
		}
		s.Add(Hits)
		s.Remove(testKey(1))
	}
}

// TestLockHeld: a process that holds the lock and does not go on costs others the saving.
func TestLockHeld(t *testing.T) {
	s := testStore(t)
	put(t, s, testKey(1), 10, 0)
	err := s.locked(func() error { return s.Put(testKey(2), []byte("x")) })
	if err == nil {
		t.Error("added under the lock of another")
	}
	if _, ok := s.Get(testKey(1)); !ok {
		t.Error("reading waits for the lock")
	}
	if left, err := filepath.Glob(filepath.Join(s.Dir, asidePrefix+"*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}
