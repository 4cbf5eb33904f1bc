// Package download brings files that are known beforehand by their SHA-256 to this machine, whole and
// verified or not at all: resumed where an earlier call was cut off, renamed into place, with progress.
package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// File is a file to download.
type File struct {
	URL string
	// Size in bytes; 0 where it is not known beforehand: then the server must say it.
	Size int64
	// SHA256 in hex: all 64 digits, or the first 8 or more of them, such as PyTorch has in the names
	// of its files (deit_small_patch16_224-cd65a155.pth). Eight digits tell damage from the original,
	// not the original from what someone made to resemble it: give all where they are known. Empty where
	// none is published: then the first download writes the checksum of what it got to path.sha256, says
	// so, and from then on the file must have it.
	SHA256 string
	// Patience is how long a server may send nothing, or less than 4 KiB, before it is given up (what it
	// sent is kept for the next try); 0 is 30 seconds.
	Patience time.Duration
}

// Cache returns the folder for downloads of a kind, such as Cache("datasets", "cifar10"), within the
// user's cache (os.UserCacheDir, tokenfuse). It does not make it.
func Cache(folders ...string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache to download to (set HOME or XDG_CACHE_HOME): %w", err)
	}
	return filepath.Join(append([]string{cache, "tokenfuse"}, folders...)...), nil
}

// To brings the file to path, whole and verified, or not at all; nothing is done where it is there
// already. Until then it grows in path.part, from which a later call resumes. Processes that want the
// same file take turns, and the later ones find it done. Progress goes to out: a bar on a terminal,
// else a few lines; nil is silence. Errors are one line that names the address; a cancelled ctx is
// among their causes.
func (f File) To(ctx context.Context, path string, out io.Writer) error {
	first, err := f.recall(path)
	if err != nil {
		return err
	}
	if digits := strings.Trim(f.SHA256, "0123456789abcdef"); digits != "" || !first && len(f.SHA256) < 8 || len(f.SHA256) > 64 {
		return fmt.Errorf("download of %q: SHA-256 %q is not 8 to 64 hex digits in small letters", f.URL, f.SHA256)
	}
	if f.Patience <= 0 {
		f.Patience = 30 * time.Second
	}
	if out == nil {
		out = io.Discard
	}
	if f.presentAt(path) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("no folder to download to: %w", err)
	}
	lock := flock.New(path + ".lock")
	if free, err := lock.TryLock(); err == nil && !free {
		fmt.Fprintf(out, "waiting for another process to download %s\n", filepath.Base(path))
	}
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return fmt.Errorf("download of %q cannot be locked: %w", path, err)
	}
	defer lock.Unlock()
	if first {
		// Another process may have been the first meanwhile.
		if first, err = f.recall(path); err != nil {
			return err
		}
	}
	if f.presentAt(path) {
		return nil
	}
	t := &transfer{File: f, part: path + ".part", progress: newProgress(out, filepath.Base(path))}
	defer t.progress.end()
	if err := t.complete(ctx); err != nil {
		return fmt.Errorf("download of %q failed: %w", f.URL, err)
	}
	if first {
		if err := record(t.part, path, out); err != nil {
			return fmt.Errorf("download of %q: %w", f.URL, err)
		}
	}
	return os.Rename(t.part, path)
}

// presentAt reports whether the file is at path, whole and right; one without a checksum never is.
func (f File) presentAt(path string) bool {
	if f.SHA256 == "" {
		return false
	}
	if size := fileSize(path); size == 0 || f.Size > 0 && size != f.Size {
		return false
	}
	got, err := checksum(path)
	return err == nil && strings.HasPrefix(got, f.SHA256)
}

// fileSize returns the size of the file at path, 0 if there is none.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// checksum returns the SHA-256 of the file at path, in hex.
func checksum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
