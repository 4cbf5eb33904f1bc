package datasets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNotFound is met by errors.Is when a dataset is in none of the places where it was looked for
// and could not be downloaded. The error itself names the places and the cures.
var ErrNotFound = errors.New("not found")

// Option changes where FashionMNIST, CIFAR10 and CIFAR100 look, or what they say meanwhile.
type Option func(*search)

// From names the folder that holds the files, as they are downloaded or unpacked; no other place is
// then tried.
func From(dir string) Option { return func(s *search) { s.from = dir } }

// WithContext makes a download end, to be resumed later, when ctx does.
func WithContext(ctx context.Context) Option { return func(s *search) { s.ctx = ctx } }

// WithProgress shows the progress of a download on w in place of standard error; io.Discard is silence.
func WithProgress(w io.Writer) Option { return func(s *search) { s.progress = w } }

// WithMirror downloads from the folder at this address in place of the original's. What comes from
// there is verified as well.
func WithMirror(url string) Option {
	return func(s *search) { s.mirror = strings.TrimSuffix(url, "/") }
}

// search is how one call looks for the files.
type search struct {
	from, mirror string
	ctx          context.Context
	progress     io.Writer
}

// newSearch returns what the options make of looking with the given mirror.
func newSearch(mirror string, options []Option) search {
	look := search{ctx: context.Background(), progress: os.Stderr, mirror: mirror}
	for _, option := range options {
		option(&look)
	}
	return look
}

// sought says of a split's files where they may be.
type sought struct {
	name  string // of the dataset, and of its folder below $TOKENFUSE_DATA
	split Split
	file  string // the one to ask for, in messages
	// in returns the paths of the files in a folder; ok is false where it has none.
	in func(dir string) (paths []string, ok bool, err error)
	// system are folders of packages; cure is the command that installs one, or empty.
	system []string
	cure   string
	// fetch returns the files in the cache, downloading those that are not there.
	fetch func(look search) (paths []string, err error)
}

// place is where the files of a split were found.
type place struct {
	paths []string
	users bool // named by the user
}

// find returns the first place that has the files.
func (look search) find(s sought) (place, error) {
	if look.from != "" {
		paths, ok, err := s.in(look.from)
		if err == nil && !ok {
			err = fmt.Errorf("datasets: no %s in %q: name a folder that holds the %s files of %s, or leave From out (%w)",
				s.file, look.from, s.split, s.name, ErrNotFound)
		}
		return place{paths: paths, users: true}, err
	}
	var tried []string
	if dir := os.Getenv("TOKENFUSE_DATA"); dir == "" {
		tried = append(tried, "TOKENFUSE_DATA is not set")
	} else {
		for _, dir := range []string{dir, filepath.Join(dir, s.name)} {
			if paths, ok, err := s.in(dir); ok || err != nil {
				return place{paths: paths, users: true}, err
			}
		}
		tried = append(tried, fmt.Sprintf("TOKENFUSE_DATA %q has none", dir))
	}
	for _, dir := range s.system {
		if paths, ok, err := s.in(dir); ok || err != nil {
			return place{paths: paths}, err
		}
		tried = append(tried, fmt.Sprintf("%q has none", dir))
	}
	paths, err := s.fetch(look)
	switch {
	case err == nil:
		return place{paths: paths}, nil
	case look.ctx.Err() != nil:
		return place{}, fmt.Errorf("datasets: %w", err)
	}
	tried = append(tried, err.Error())
	cure := "name a folder that holds it by datasets.From or TOKENFUSE_DATA"
	if s.cure != "" {
		cure = "run " + s.cure + ", or " + cure
	}
	return place{}, fmt.Errorf("datasets: %s %s %w: %s: %s", s.name, s.split, ErrNotFound, strings.Join(tried, "; "), cure)
}

// openFile opens a file, and returns its size. What is none is refused: a device has no end, and a pipe is waited
// for until somebody writes to it.
func openFile(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, &fs.PathError{Op: "open", Path: path, Err: errors.New("is not a file")}
	}
	file, err := os.Open(path)
	return file, info.Size(), err
}
