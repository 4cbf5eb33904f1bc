package datasets

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"tokenfuse/lib/download"
	"tokenfuse/lib/inputs"
)

// cifarSource says of CIFAR-10 or CIFAR-100 where it is to be had and how to know it.
type cifarSource struct {
	name       string
	url        string // folder of the archive
	archive    string
	size       int64  // of the archive
	sha256     string // of the archive
	folder     string // in the archive
	classes    []string
	labelBytes int // before the pixels of an image
	mean, std  []float32
	files      map[Split][]cifarFile // in the folder
}

// cifarFile is a file of images in the archive.
type cifarFile struct {
	name   string
	items  int
	sha256 string
}

// load finds, reads and checks a split.
func (s cifarSource) load(split Split, options ...Option) (*Images, error) {
	files, ok := s.files[split]
	if !ok {
		return nil, fmt.Errorf("datasets: %s has no split %q: take %q or %q", s.name, split, Train, Test)
	}
	found, err := newSearch(s.url, options).find(sought{
		name: s.name, split: split, file: s.archive,
		in:    func(dir string) ([]string, bool, error) { return s.inFolder(dir, files) },
		fetch: s.fetch,
	})
	if err != nil {
		return nil, err
	}
	var all []*cifarRecords
	if strings.HasSuffix(found.paths[0], ".gz") {
		all, err = s.readArchive(found.paths[0], files)
	} else {
		all, err = s.readFiles(found.paths)
	}
	if err != nil {
		return nil, err
	}
	data := &Images{
		Name: s.name, Split: split, Classes: s.classes, Height: cifarSide, Width: cifarSide, Channels: 3,
		Mean: s.mean, Std: s.std,
	}
	for i, records := range all {
		if original := len(records.labels) == files[i].items; records.sha256 != files[i].sha256 && (original || !found.users) {
			return nil, fmt.Errorf("datasets: %q is damaged or another dataset: %q in it has SHA-256 \"%s\", not \"%s\": replace it by the original",
				found.paths[min(i, len(found.paths)-1)], files[i].name, records.sha256, files[i].sha256)
		}
		inputs.Note(inputs.Dataset, s.name+" "+files[i].name, records.sha256)
		data.Pixels = append(data.Pixels, records.pixels...)
		data.Labels = append(data.Labels, records.labels...)
	}
	return data, nil
}

// inFolder looks in dir for the archive, or for the files unpacked, there or in the archive's folder.
func (s cifarSource) inFolder(dir string, files []cifarFile) (paths []string, ok bool, err error) {
	archive := filepath.Join(dir, s.archive)
	if there, err := exists(archive); there || err != nil {
		return []string{archive}, there, err
	}
	for _, dir := range []string{dir, filepath.Join(dir, s.folder)} {
		paths, missing := []string{}, ""
		for _, file := range files {
			path := filepath.Join(dir, file.name)
			there, err := exists(path)
			if err != nil {
				return nil, false, err
			}
			if there {
				paths = append(paths, path)
			} else {
				missing = file.name
			}
		}
		switch {
		case len(paths) == len(files):
			return paths, true, nil
		case len(paths) > 0:
			return nil, false, fmt.Errorf("datasets: %q is there without %q: add it", paths[0], missing)
		}
	}
	return nil, false, nil
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, fmt.Errorf("datasets: %w", err)
}

// fetch returns the archive in the user's cache, downloading it if it is not there, or not right.
func (s cifarSource) fetch(look search) ([]string, error) {
	dir, err := download.Cache("datasets", s.name)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, s.archive)
	remote := download.File{URL: look.mirror + "/" + s.archive, Size: s.size, SHA256: s.sha256}
	if err := remote.To(look.ctx, path, look.progress); err != nil {
		return nil, fmt.Errorf("cache %q lacks %q; %w", dir, s.archive, err)
	}
	return []string{path}, nil
}

// readFiles reads unpacked files.
func (s cifarSource) readFiles(paths []string) ([]*cifarRecords, error) {
	all := make([]*cifarRecords, len(paths))
	for i, path := range paths {
		file, _, err := openFile(path)
		if err != nil {
			return nil, fmt.Errorf("datasets: %w", err)
		}
		all[i], err = readCIFAR(file, s.labelBytes, len(s.classes))
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("datasets: %q is damaged: %w", path, err)
		}
	}
	return all, nil
}

// readArchive reads the files out of the archive, in whatever order it has them.
func (s cifarSource) readArchive(archive string, files []cifarFile) ([]*cifarRecords, error) {
	file, size, err := openFile(archive)
	if err != nil {
		return nil, fmt.Errorf("datasets: %w", err)
	}
	defer file.Close()
	all, err := s.unpack(file, size, files)
	if err != nil {
		return nil, fmt.Errorf("datasets: %q is damaged: %w", archive, err)
	}
	return all, nil
}

// unpack reads the files out of an archive of size bytes. Nothing is written to the disk, so that names
// and links in it lead nowhere.
func (s cifarSource) unpack(archive io.Reader, size int64, files []cifarFile) ([]*cifarRecords, error) {
	unzipped, err := gzip.NewReader(archive)
	if err != nil {
		return nil, readError(err, 0)
	}
	defer unzipped.Close()
	// A small archive could unpack to no end; this is as much as both splits may have.
	most := min(2*cifarMost*int64(s.labelBytes+cifarPixels), inflated(size))
	entries := tar.NewReader(io.LimitReader(unzipped, most))
	all := make([]*cifarRecords, len(files))
	for left := len(files); left > 0; {
		entry, err := entries.Next()
		if err == io.EOF {
			for i, records := range all {
				if records == nil {
					return nil, fmt.Errorf("it lacks %q", files[i].name)
				}
			}
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("it is truncated, or unpacks to more than %d bytes", most)
		}
		if err != nil {
			return nil, fmt.Errorf("not a gzipped tar archive (%w)", err)
		}
		for i, file := range files {
			if entry.Typeflag != tar.TypeReg || path.Base(entry.Name) != file.name || all[i] != nil {
				continue
			}
			if entry.Size > most { // of holes, which take no place in the archive
				return nil, fmt.Errorf("%q: it unpacks to %d bytes, more than %d", entry.Name, entry.Size, most)
			}
			if all[i], err = readCIFAR(entries, s.labelBytes, len(s.classes)); err != nil {
				return nil, fmt.Errorf("%q: %w", entry.Name, err)
			}
			left--
		}
	}
	return all, nil
}
