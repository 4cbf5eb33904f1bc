package download

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tokenfuse/lib/whole"
)

// recorded is the file beside a download that keeps its checksum where none is published, in the form
// that sha256sum --check reads.
func recorded(path string) string { return path + ".sha256" }

// recall fills in the checksum of a file that has none with the one of its first download, and reports
// whether this is to be the first.
func (f *File) recall(path string) (first bool, err error) {
	if f.SHA256 != "" {
		return false, nil
	}
	text, err := os.ReadFile(recorded(path))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	sum, _, _ := strings.Cut(string(text), " ")
	if len(sum) != 64 {
		return false, fmt.Errorf("%q holds no SHA-256: remove it to download %q again", recorded(path), f.URL)
	}
	f.SHA256 = sum
	return false, nil
}

// record keeps the checksum of a whole part for path, before the part becomes the file.
func record(part, path string, out io.Writer) error {
	sum, err := checksum(part)
	if err != nil {
		return err
	}
	name := filepath.Base(path)
	if err := whole.WriteFile(recorded(path), []byte(sum+"  "+name+"\n"), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(out, "no checksum of %s is published: its SHA-256 %s is kept in %q, and from now on the file must have it\n", name, sum, recorded(path))
	return nil
}
