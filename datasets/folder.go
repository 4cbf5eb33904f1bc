package datasets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tokenfuse/lib/inputs"
)

// splitFolders are the names that a split's folder may have.
var splitFolders = map[Split][]string{
	Train: {"train"}, Validation: {"val", "validation"}, Test: {"test"},
}

// Folder returns the pictures of a folder in ImageNet's layout, as torchvision's ImageFolder reads it:
// dir/train/CLASS/FILE, dir/val (or validation)/CLASS/FILE and dir/test/CLASS/FILE for the splits, or
// dir/CLASS/FILE, which is then taken for the split whatever it is. Classes are the folders' names,
// sorted; the pictures of a class its files that end in .jpg, .jpeg, .png or .webp (small or capital),
// sorted. Other files, and what begins with a dot, are ignored. input makes a model's input of a picture.
//
// Only names are read: a file that is no picture is found when it is decoded (see Pictures.SkipBroken).
// A folder that lacks the split or holds no classes, a class without pictures, and an input that
// Validate objects to are errors. ErrNotFound is met where there is no such folder.
func Folder(dir string, split Split, input Transform) (*Pictures, error) {
	if err := input.Validate(); err != nil {
		return nil, err
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("datasets: %w", err)
	}
	root, err := splitFolder(dir, split)
	if err != nil {
		return nil, err
	}
	pictures := &Pictures{Name: filepath.Base(absolute), Split: split, Input: input, broken: &broken{paths: map[string]bool{}}}
	classes, err := foldersIn(root)
	if err != nil {
		return nil, err
	}
	if len(classes) == 0 {
		return nil, fmt.Errorf("datasets: %q holds no folders: it wants one for each class, with pictures in it", root)
	}
	for label, class := range classes {
		names, err := picturesIn(filepath.Join(root, class))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			pictures.files = append(pictures.files, pictureFile{filepath.Join(root, class, name), int32(label)})
		}
	}
	pictures.Classes = classes
	pictures.note()
	return pictures, nil
}

// note notes the pictures by their names and sizes: reading them all may take minutes.
func (p *Pictures) note() {
	if os.Getenv(inputs.Env) == "" {
		return
	}
	var list strings.Builder
	for _, file := range p.files {
		size := int64(-1)
		if info, err := os.Stat(file.path); err == nil {
			size = info.Size()
		}
		fmt.Fprintf(&list, "%s/%s %d\n", p.Classes[file.label], filepath.Base(file.path), size)
	}
	inputs.NoteContent(inputs.Dataset, fmt.Sprintf("%s %s, names and sizes of %d pictures", p.Name, p.Split, p.Len()), []byte(list.String()))
}

// splitFolder returns the folder whose folders are the classes.
func splitFolder(dir string, split Split) (string, error) {
	names, ok := splitFolders[split]
	if !ok {
		return "", fmt.Errorf("datasets: no split %q: take %q, %q or %q", split, Train, Validation, Test)
	}
	folders, err := foldersIn(dir)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if slices.Contains(folders, name) {
			return filepath.Join(dir, name), nil
		}
	}
	for _, others := range splitFolders {
		for _, other := range others {
			if slices.Contains(folders, other) {
				return "", fmt.Errorf("datasets: %q has a folder %q but none for %s: take that split, or add %q", dir, other, split, names[0])
			}
		}
	}
	return dir, nil
}

// foldersIn returns the names of the folders in dir, sorted; links to folders count.
func foldersIn(dir string) ([]string, error) {
	entries, err := readDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		folder := entry.IsDir()
		if entry.Type()&fs.ModeSymlink != 0 {
			info, err := os.Stat(filepath.Join(dir, entry.Name()))
			folder = err == nil && info.IsDir()
		}
		if folder && !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// picturesIn returns the names of the pictures in a class's folder, sorted.
func picturesIn(dir string) ([]string, error) {
	entries, err := readDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		switch strings.ToLower(filepath.Ext(entry.Name())) {
		case ".jpg", ".jpeg", ".png", ".webp":
			if !entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") {
				names = append(names, entry.Name())
			}
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("datasets: class %q holds no pictures (.jpg, .jpeg, .png, .webp): add some or remove the folder", dir)
	}
	return names, nil
}

func readDir(dir string) ([]os.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("datasets: folder %q %w", dir, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("datasets: %w", err)
	}
	return entries, nil
}
