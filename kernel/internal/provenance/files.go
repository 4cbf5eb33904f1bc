package provenance

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"tokenfuse/kernel/internal/nbformat"
)

// SetFiles keeps the checksums of files, named as seen from a folder, in the notebook's metadata. They lie
// beside it and come to their place one by one, the notebook last: its own appearance is the one step by
// which a publication becomes another, and these tell whether the rest is of it. They are with the
// durations, not in the record, which is the same when the notebook is published again.
func SetFiles(n *nbformat.Notebook, folder string, names []string) error {
	p, d, _ := Get(n)
	d.Files = map[string]string{}
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		d.Files[name] = digest(content)
	}
	return Set(n, p, d)
}

// Misfit is a file that is not as it was published with a notebook.
type Misfit struct{ Name, Why string }

// Misfits compares the files in the folder of a published notebook with their checksums, and says whether
// there is any of them. None of a notebook of before these were kept is known.
func Misfits(n *nbformat.Notebook, folder string) (misfits []Misfit, any bool) {
	_, d, _ := Get(n)
	for _, name := range slices.Sorted(maps.Keys(d.Files)) {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			misfits = append(misfits, Misfit{name, "is a path out of the folder"})
			continue
		}
		content, err := ReadBeside(folder, name)
		any = any || !errors.Is(err, fs.ErrNotExist)
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			misfits = append(misfits, Misfit{name, "is no file of the folder: publish again"})
		case err != nil:
			misfits = append(misfits, Misfit{name, "is not there: publish again"})
		case digest(content) != d.Files[name]:
			misfits = append(misfits, Misfit{name, "is not the one published with the notebook (changed since, or publish was killed before it was done): publish again"})
		}
	}
	return misfits, any
}

// ReadBeside reads a file by the name that a published notebook has for it. Somebody else has made both: what a
// link leads to out of the folder, and what is no file and may have no end, is not read.
func ReadBeside(folder, name string) ([]byte, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	name = filepath.FromSlash(name)
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a file")
	}
	return root.ReadFile(name)
}
