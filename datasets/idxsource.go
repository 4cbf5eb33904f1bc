package datasets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tokenfuse/lib/download"
	"tokenfuse/lib/inputs"
)

// load finds, reads and checks a split.
func (s idxSource) load(split Split, options ...Option) (*Images, error) {
	files, ok := s.files[split]
	if !ok {
		return nil, fmt.Errorf("datasets: %s has no split %q: take %q or %q", s.name, split, Train, Test)
	}
	found, err := newSearch(s.url, options).find(sought{
		name: s.name, split: split, file: files[0].name + ".gz",
		in:     func(dir string) ([]string, bool, error) { return idxInFolder(dir, files) },
		system: []string{s.debian}, cure: "apt-get install " + s.debianPackage,
		fetch: func(look search) ([]string, error) { return s.fetch(look, files) },
	})
	if err != nil {
		return nil, err
	}
	return s.read(split, files, found)
}

// idxInFolder looks for the images and the labels in dir, gzipped or not. One without the other is an error.
func idxInFolder(dir string, files [2]idxFile) (paths []string, ok bool, err error) {
	paths = make([]string, 2)
	for i, file := range files {
		for _, name := range []string{file.name + ".gz", file.name} {
			path := filepath.Join(dir, name)
			_, err := os.Stat(path)
			if err == nil {
				paths[i] = path
				break
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, false, fmt.Errorf("datasets: %w", err)
			}
		}
	}
	switch {
	case paths[0] == "" && paths[1] == "":
		return nil, false, nil
	case paths[0] == "":
		return nil, false, fmt.Errorf("datasets: %q is there without %q: add it", paths[1], files[0].name+".gz")
	case paths[1] == "":
		return nil, false, fmt.Errorf("datasets: %q is there without %q: add it", paths[0], files[1].name+".gz")
	}
	return paths, true, nil
}

// fetch returns the files in the user's cache, downloading those that are not there, or not right.
func (s idxSource) fetch(look search, files [2]idxFile) ([]string, error) {
	dir, err := download.Cache("datasets", s.name)
	if err != nil {
		return nil, err
	}
	paths := make([]string, len(files))
	for i, file := range files {
		name := file.name + ".gz"
		paths[i] = filepath.Join(dir, name)
		remote := download.File{URL: look.mirror + "/" + name, Size: file.gzSize, SHA256: file.gzSHA256}
		if err := remote.To(look.ctx, paths[i], look.progress); err != nil {
			return nil, fmt.Errorf("cache %q lacks %q; %w", dir, name, err)
		}
	}
	return paths, nil
}

// read decodes and checks the two files of a split.
func (s idxSource) read(split Split, files [2]idxFile, at place) (*Images, error) {
	imagesAt, labelsAt := at.paths[0], at.paths[1]
	images, err := readIDX(imagesAt, 3)
	if err != nil {
		return nil, err
	}
	labels, err := readIDX(labelsAt, 1)
	if err != nil {
		return nil, err
	}
	if h, w := images.dims[1], images.dims[2]; h != s.height || w != s.width {
		return nil, fmt.Errorf("datasets: %q has images of \"%dx%d\", not %dx%d: it is not of %s", imagesAt, h, w, s.height, s.width, s.name)
	}
	if images.dims[0] != labels.dims[0] {
		return nil, fmt.Errorf("datasets: %q has %d images, %q %d labels: take both from one place", imagesAt, images.dims[0], labelsAt, labels.dims[0])
	}
	if err := files[0].check(imagesAt, images, at.users); err != nil {
		return nil, err
	}
	if err := files[1].check(labelsAt, labels, at.users); err != nil {
		return nil, err
	}
	inputs.Note(inputs.Dataset, s.name+" "+files[0].name, images.sha256)
	inputs.Note(inputs.Dataset, s.name+" "+files[1].name, labels.sha256)
	data := &Images{
		Name: s.name, Split: split, Classes: s.classes,
		Height: s.height, Width: s.width, Channels: 1,
		Pixels: images.data, Labels: make([]int32, len(labels.data)),
		Mean: []float32{s.mean}, Std: []float32{s.std},
	}
	for i, label := range labels.data {
		if int(label) >= len(s.classes) {
			return nil, fmt.Errorf("datasets: %q is damaged: label %d is \"%d\", not within 0 and %d", labelsAt, i, label, len(s.classes)-1)
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
