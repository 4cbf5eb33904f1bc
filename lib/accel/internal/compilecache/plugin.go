//go:build linux || darwin

package compilecache

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Identity says which file is at a path, without reading it: it differs whenever the content does.
// The time of change (ctime) is the system's own, which no program can set back.
type Identity struct {
	path          string
	device, inode uint64
	size          int64
	modified      unix.Timespec
	changed       unix.Timespec
}

// Identify returns the identity of the file at path, links followed.
func Identify(path string) (Identity, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return Identity{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return Identity{path, uint64(stat.Dev), uint64(stat.Ino), stat.Size, stat.Mtim, stat.Ctim}, nil
}

// settled says whether the file was left alone for long enough that another change would show in its
// times, which file systems keep to a few milliseconds, some to seconds.
func (id Identity) settled(now time.Time) bool {
	return now.Sub(time.Unix(id.changed.Unix())) > 5*time.Second
}

// Content returns the SHA-256 of the file that has the identity, in hex. Hashing the 250 MB of a
// plugin takes a moment, so the store remembers the hash under the identity.
func (s Store) Content(id Identity) (string, error) { return s.content(id, time.Now()) }

func (s Store) content(id Identity, now time.Time) (string, error) {
	digest := keyDigest{sha256.New()}
	digest.number(version)
	digest.texts("content of a file", fmt.Sprintf("%+v", id))
	memo := Key(digest.Sum(nil))
	if sum, ok := s.Get(memo); ok {
		return string(sum), nil
	}
	sum, err := id.hash()
	if err != nil {
		return "", err
	}
	if id.settled(now) {
		_ = s.Put(memo, []byte(sum))
	}
	return sum, nil
}

// hash reads the file through. That it is another one before or after is an error.
func (id Identity) hash() (string, error) {
	file, err := os.Open(id.path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, file); err != nil {
		return "", err
	}
	if now, err := Identify(id.path); err != nil || now != id {
		return "", fmt.Errorf("%q changed meanwhile", id.path)
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}
