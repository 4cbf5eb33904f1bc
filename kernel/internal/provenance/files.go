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

// filesKey is the field of the metadata with the checksums of the files that are published with the
// notebook. They lie beside it and come to their place one by one, the notebook last: its own appearance is
// the one step by which a publication becomes another, and these tell whether the rest is of it.
const filesKey = "files"

// SetFiles keeps the checksums of files, named as seen from a folder, in the notebook's metadata. They are
// apart from the record, which is the same when the notebook is published again: a page shows durations.
func SetFiles(n *nbformat.Notebook, folder string, names []string) error {
	sums := map[string]string{}
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		sums[name] = digest(content)
	}
	project := nbformat.Object{}
	n.Metadata.Get(metadataKey, &project)
	return errors.Join(project.Set(filesKey, sums), n.Metadata.Set(metadataKey, project))
}

// Misfit is a file that is not as it was published with a notebook.
type Misfit struct{ Name, Why string }

// Misfits compares the files in the folder of a published notebook with their checksums, and says whether
// there is any of them. None of a notebook of before these were kept is known.
func Misfits(n *nbformat.Notebook, folder string) (misfits []Misfit, any bool) {
	project, sums := nbformat.Object{}, map[string]string{}
	n.Metadata.Get(metadataKey, &project)
	project.Get(filesKey, &sums)
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			misfits = append(misfits, Misfit{name, "is a path out of the folder"})
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
		any = any || !errors.Is(err, fs.ErrNotExist)
		switch {
		case err != nil:
			misfits = append(misfits, Misfit{name, "is not there: publish again"})
		case digest(content) != sums[name]:
			misfits = append(misfits, Misfit{name, "is not the one published with the notebook (changed since, or publish was killed before it was done): publish again"})
		}
	}
	return misfits, any
}
