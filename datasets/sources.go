package datasets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tokenfuse/lib/download"
)

// load finds, reads and checks a split.
func (s idxSource) load(split Split, options ...Option) (*Images, error) {
	files, ok := s.files[split]
	if !ok {
		return nil, fmt.Errorf("datasets: %s has no split %q: take %q or %q", s.name, split, Train, Test)
	}
	look := search{ctx: context.Background(), progress: os.Stderr, mirror: s.url}
	for _, option := range options {
		option(&look)
	}
	found, err := s.find(look, split, files)
	if err != nil {
		return nil, err
	}
	return s.read(split, files, found)
}

// place is where the two files of a split were found.
type place struct {
	images, labels string
	users          bool // named by the user
}

// find returns the first place that has the files.
func (s idxSource) find(look search, split Split, files [2]idxFile) (place, error) {
	if look.from != "" {
		at, ok, err := inFolder(look.from, files)
		if err == nil && !ok {
			err = fmt.Errorf("datasets: no %s.gz in %q: name a folder that holds the %s files of %s, or leave From out (%w)",
				files[0].name, look.from, split, s.name, ErrNotFound)
		}
		at.users = true
		return at, err
	}
	var tried []string
	if dir := os.Getenv("TOKENFUSE_DATA"); dir == "" {
		tried = append(tried, "TOKENFUSE_DATA is not set")
	} else {
		for _, dir := range []string{dir, filepath.Join(dir, s.name)} {
			if at, ok, err := inFolder(dir, files); ok || err != nil {
				at.users = true
				return at, err
			}
		}
		tried = append(tried, fmt.Sprintf("TOKENFUSE_DATA %q has none", dir))
	}
	if at, ok, err := inFolder(s.debian, files); ok || err != nil {
		return at, err
	}
	tried = append(tried, fmt.Sprintf("%q has none", s.debian))
	at, err := s.fetch(look, files)
	switch {
	case err == nil:
		return at, nil
	case look.ctx.Err() != nil:
		return place{}, fmt.Errorf("datasets: %w", err)
	}
	tried = append(tried, err.Error())
	return place{}, fmt.Errorf("datasets: %s %s %w: %s: run apt-get install %s, or name a folder that holds it by datasets.From or TOKENFUSE_DATA",
		s.name, split, ErrNotFound, strings.Join(tried, "; "), s.debianPackage)
}

// inFolder looks for the files in dir, gzipped or not. One without the other is an error.
func inFolder(dir string, files [2]idxFile) (at place, ok bool, err error) {
	var paths [2]string
	for i, file := range files {
		for _, name := range []string{file.name + ".gz", file.name} {
			path := filepath.Join(dir, name)
			_, err := os.Stat(path)
			if err == nil {
				paths[i] = path
				break
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return place{}, false, fmt.Errorf("datasets: %w", err)
			}
		}
	}
	switch {
	case paths[0] == "" && paths[1] == "":
		return place{}, false, nil
	case paths[0] == "":
		return place{}, false, fmt.Errorf("datasets: %q is there without %q: add it", paths[1], files[0].name+".gz")
	case paths[1] == "":
		return place{}, false, fmt.Errorf("datasets: %q is there without %q: add it", paths[0], files[1].name+".gz")
	}
	return place{images: paths[0], labels: paths[1]}, true, nil
}

// fetch returns the files in the user's cache, downloading those that are not there, or not right.
func (s idxSource) fetch(look search, files [2]idxFile) (place, error) {
	dir, err := download.Cache("datasets", s.name)
	if err != nil {
		return place{}, err
	}
	var paths [2]string
	for i, file := range files {
		name := file.name + ".gz"
		paths[i] = filepath.Join(dir, name)
		remote := download.File{URL: look.mirror + "/" + name, Size: file.gzSize, SHA256: file.gzSHA256}
		if err := remote.To(look.ctx, paths[i], look.progress); err != nil {
			return place{}, fmt.Errorf("cache %q lacks %q; %w", dir, name, err)
		}
	}
	return place{images: paths[0], labels: paths[1]}, nil
}

// read decodes and checks the two files of a split.
func (s idxSource) read(split Split, files [2]idxFile, at place) (*Images, error) {
	images, err := readIDX(at.images, 3)
	if err != nil {
		return nil, err
	}
	labels, err := readIDX(at.labels, 1)
	if err != nil {
		return nil, err
	}
	if h, w := images.dims[1], images.dims[2]; h != s.height || w != s.width {
		return nil, fmt.Errorf("datasets: %q has images of \"%dx%d\", not %dx%d: it is not of %s", at.images, h, w, s.height, s.width, s.name)
	}
	if images.dims[0] != labels.dims[0] {
		return nil, fmt.Errorf("datasets: %q has %d images, %q %d labels: take both from one place", at.images, images.dims[0], at.labels, labels.dims[0])
	}
	if err := files[0].check(at.images, images, at.users); err != nil {
		return nil, err
	}
	if err := files[1].check(at.labels, labels, at.users); err != nil {
		return nil, err
	}
	data := &Images{
		Name: s.name, Split: split, Classes: s.classes,
		Height: s.height, Width: s.width, Channels: 1,
		Pixels: images.data, Labels: make([]int32, len(labels.data)),
		Mean: []float32{s.mean}, Std: []float32{s.std},
	}
	for i, label := range labels.data {
		if int(label) >= len(s.classes) {
			return nil, fmt.Errorf("datasets: %q is damaged: label %d is \"%d\", not within 0 and %d", at.labels, i, label, len(s.classes)-1)
		}
		data.Labels[i] = int32(label)
	}
	return data, nil
}

// check tells the original from anything else; a folder of the user's may hold another number of items.
func (f idxFile) check(path string, content *idx, users bool) error {
	if users && content.dims[0] != f.items {
		return nil
	}
	if content.sha256 != f.sha256 {
		return fmt.Errorf("datasets: %q is damaged or another dataset: its content has SHA-256 \"%s\", not \"%s\": replace it by the original", path, content.sha256, f.sha256)
	}
	return nil
}
