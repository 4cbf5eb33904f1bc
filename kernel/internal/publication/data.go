package publication

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/lib/notebook"
	"tokenfuse/lib/whole"
)

// writeData writes the rows behind figures and tables into a folder, one file for each that differs from
// the others of its cell, and returns the files' names, below dir. The folder is only made if there are any.
func writeData(n *nbformat.Notebook, dir, folder string) ([]string, error) {
	names := []string{}
	number := 0
	for _, cell := range n.Cells {
		if !cell.Runs() {
			continue
		}
		number++
		var written []string
		for _, output := range cell.Outputs {
			rows, ok := output.Data.Text(string(notebook.MIMERows))
			if !ok || slices.Contains(written, rows) {
				continue
			}
			written = append(written, rows)
			name := fmt.Sprintf("cell-%02d.jsonl", number)
			if len(written) > 1 {
				name = fmt.Sprintf("cell-%02d-%d.jsonl", number, len(written))
			}
			if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
				return nil, err
			}
			if err := whole.WriteFile(filepath.Join(dir, folder, name), []byte(rows), 0o644); err != nil {
				return nil, err
			}
			names = append(names, folder+"/"+name)
		}
	}
	return names, nil
}

// dataName is what writeData calls its files.
var dataName = regexp.MustCompile(`^cell-\d+(?:-\d+)?\.jsonl$`)

// foreign returns the name of something in a folder that writeData has not put there; "" where there is none.
func foreign(folder string) string {
	entries, _ := os.ReadDir(folder) // none where there is no folder
	for _, entry := range entries {
		if !dataName.MatchString(entry.Name()) {
			return entry.Name()
		}
	}
	return ""
}

// WriteFile writes a file whole or not at all.
func WriteFile(path string, content []byte) error {
	if err := whole.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("%s: cannot be written: %w", path, reason(err))
	}
	return nil
}

// reason is what the system says, without the operation and the path.
func reason(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	if link := (*os.LinkError)(nil); errors.As(err, &link) {
		return link.Err
	}
	return err
}
