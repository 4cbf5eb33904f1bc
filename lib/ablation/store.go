package ablation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"tokenfuse/lib/result"
)

// Store is where the rows of a sweep are kept, as JSON Lines, for processes that come and go.
//
// It is a file, or a folder of files rows*.jsonl, in which each worker appends to its own and reads
// all: rows.jsonl, or that of its shard. A row is appended in one write and synced before it counts. A
// line without an end, left by a process that was killed while it wrote, is none: the next to append
// cuts it off (or ends it, where only the line feed is missing). Of several rows of a key the last
// result counts, or, if there is none, the last failure.
//
// Processes on one machine that append to the same file agree by locks of the operating system
// (flock), which go with their process, however it ends: .NAME.lock is held to look and to write, and
// .NAME.claims/KEY while a cell is worked on. On a file system that has no locks, a store is still
// good for shards, whose files are their own.
type Store struct {
	path  string // the file to append to
	dir   string // the folder whose files count; empty, path alone
	tails map[string]*tail
	rows  map[string]result.Row // by key
	stale map[string]bool       // failures from before this store was opened: see Retry
}

// OpenStore opens a store, and makes it if there is none. A path that ends in .jsonl is a file, any other
// a folder. shard is empty, or names the worker's file in the folder; a file has no room for shards.
func OpenStore(path, shard string) (*Store, error) {
	s := &Store{path: path, tails: map[string]*tail{}, rows: map[string]result.Row{}, stale: map[string]bool{}}
	if strings.HasSuffix(path, ".jsonl") {
		if shard != "" {
			return nil, fmt.Errorf("ablation: store %q is a file: shards want a folder, in which each has a file of its own", path)
		}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return nil, fmt.Errorf("ablation: store %q is a folder: name it without .jsonl", path)
		}
	} else {
		s.dir = path
		s.path = filepath.Join(path, rowsFile(shard))
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o755); err != nil {
		return nil, fmt.Errorf("ablation: store: %w", err)
	}
	file, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("ablation: store: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("ablation: store: %w", err)
	}
	if err := s.refresh(); err != nil {
		return nil, err
	}
	for key, row := range s.rows {
		s.stale[key] = row.Failed()
	}
	return s, nil
}

func rowsFile(shard string) string {
	if shard == "" {
		return "rows.jsonl"
	}
	return "rows-" + shard + ".jsonl"
}

// ReadStore returns the rows of a store, one a key, those of results apart from failures, in the order
// in which they were written, file by file.
func ReadStore(path string) (rows, failures []result.Row, err error) {
	files, err := storeFiles(path)
	if err != nil {
		return nil, nil, err
	}
	latest := map[string]result.Row{}
	var keys []string
	for _, file := range files {
		read, err := (&tail{path: file}).read()
		if err != nil {
			return nil, nil, err
		}
		for _, row := range read {
			if _, known := latest[row.Key]; !known {
				keys = append(keys, row.Key)
			}
			enter(latest, row)
		}
	}
	for _, key := range keys {
		if row := latest[key]; row.Failed() {
			failures = append(failures, row)
		} else {
			rows = append(rows, row)
		}
	}
	byKey := slices.SortedFunc(slices.Values(rows), func(a, b result.Row) int { return strings.Compare(a.Key, b.Key) })
	return rows, failures, result.Note(path, byKey) // those who write at once have no order
}

// storeFiles returns the files of a store, sorted; a store that is not there is an error.
func storeFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("ablation: store: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	files, err := filepath.Glob(filepath.Join(globEscape.Replace(path), "rows*.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("ablation: store: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("ablation: store %q holds no rows*.jsonl", path)
	}
	slices.Sort(files)
	return files, nil
}

var globEscape = strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`)

// enter puts a row in the place of its key, unless it is a failure where there is a result.
func enter(rows map[string]result.Row, row result.Row) {
	if old, known := rows[row.Key]; known && row.Failed() && !old.Failed() {
		return
	}
	rows[row.Key] = row
}

// refresh reads what was appended since, by this process or others.
func (s *Store) refresh() error {
	files := []string{s.path}
	if s.dir != "" {
		var err error
		if files, err = storeFiles(s.dir); err != nil {
			return err
		}
	}
	for _, file := range files {
		if s.tails[file] == nil {
			s.tails[file] = &tail{path: file}
		}
		rows, err := s.tails[file].read()
		if err != nil {
			return err
		}
		for _, row := range rows {
			delete(s.stale, row.Key)
			enter(s.rows, row)
		}
	}
	return nil
}

// done reports whether a cell has a row; with retry, a failure from before does not count.
func (s *Store) done(key string, retry bool) bool {
	_, known := s.rows[key]
	return known && !(retry && s.stale[key])
}

// append writes a row behind the others; s is locked.
func (s *Store) append(row result.Row) (err error) {
	var line bytes.Buffer
	if err := result.Write(&line, row); err != nil {
		return err
	}
	file, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("ablation: store: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	end, err := mend(file)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(line.Bytes(), end)
	if err == nil {
		err = file.Sync()
	}
	if err != nil { // such as a full disk: half a row is none
		return errors.Join(fmt.Errorf("ablation: store: %w", err), file.Truncate(end))
	}
	return nil
}

// mend makes the file end with a whole line, and returns where it ends.
func mend(file *os.File) (end int64, err error) {
	text, err := io.ReadAll(file)
	if err != nil {
		return 0, fmt.Errorf("ablation: store: %w", err)
	}
	end = int64(bytes.LastIndexByte(text, '\n') + 1)
	rest := text[end:]
	if len(rest) == 0 {
		return end, nil
	}
	for _, err := range result.Read(bytes.NewReader(rest)) {
		if err == nil { // whole, but for the line feed
			end = int64(len(text))
			if _, err := file.WriteAt([]byte("\n"), end); err != nil {
				return 0, fmt.Errorf("ablation: store: %w", err)
			}
			return end + 1, nil
		}
	}
	// What was not begun as a row is somebody's, who named the wrong file.
	if begin := []byte(rowBegins); !bytes.HasPrefix(rest, begin) && !bytes.HasPrefix(begin, rest) {
		return 0, fmt.Errorf("ablation: store: %s ends with a line that is no row: name another store", file.Name())
	}
	if err := file.Truncate(end); err != nil {
		return 0, fmt.Errorf("ablation: store: %w", err)
	}
	return end, nil
}

// rowBegins is what every row begins with that result.Write wrote.
const rowBegins = `{"model":`

// tail reads a file as it grows, whole lines only.
type tail struct {
	path   string
	offset int64
}

func (t *tail) read() (rows []result.Row, err error) {
	file, err := os.Open(t.path)
	if err != nil {
		return nil, fmt.Errorf("ablation: store: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, t.offset, 1<<62))
	if err != nil {
		return nil, fmt.Errorf("ablation: store: %w", err)
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	for row, err := range result.Read(bytes.NewReader(text)) {
		if err != nil {
			return nil, fmt.Errorf("ablation: store %s, from byte %d on: %w", t.path, t.offset, err)
		}
		rows = append(rows, row)
	}
	t.offset += int64(len(text))
	return rows, nil
}

// locked runs f while no other process looks at or writes to the store's file.
func (s *Store) locked(ctx context.Context, f func() error) error {
	lock := flock.New(s.hidden("lock"))
	_, err := lock.TryLockContext(ctx, 5*time.Millisecond)
	if err != nil && !(s.alone() && errors.Is(err, errors.ErrUnsupported)) {
		return fmt.Errorf("ablation: store %s cannot be locked: %w", s.path, err)
	}
	defer lock.Unlock()
	return f()
}

// alone reports whether the file is a shard's.
func (s *Store) alone() bool { return filepath.Base(s.path) != rowsFile("") && s.dir != "" }

// hidden is a file or folder beside the store's.
func (s *Store) hidden(kind string) string {
	return filepath.Join(filepath.Dir(s.path), "."+filepath.Base(s.path)+"."+kind)
}
