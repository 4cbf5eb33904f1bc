package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// remoteFile is a file to download, known byte for byte beforehand.
type remoteFile struct {
	url    string
	size   int64
	sha256 string
	// A server that sends nothing for this long is given up; what it sent is kept for the next try.
	patience time.Duration
}

// So often a connection that broke in the midst of the body is taken up again by itself.
const attempts = 5

// download brings a file to path, whole and verified, or not at all. Until then it grows in
// path.part, from which a later call resumes. Processes that want the same file take turns, and the
// later ones find it done. Errors are one line that names the address.
func download(ctx context.Context, file remoteFile, path string, out io.Writer) error {
	if file.presentAt(path) {
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
	if file.presentAt(path) {
		return nil
	}
	part := path + ".part"
	progress := newProgress(out, filepath.Base(path), file.size)
	defer progress.end()
	if err := file.complete(ctx, part, progress); err != nil {
		return fmt.Errorf("download of %q failed: %w", file.url, err)
	}
	return os.Rename(part, path)
}

// complete makes part the whole, verified file.
func (f remoteFile) complete(ctx context.Context, part string, progress *progress) error {
	for attempt := 1; ; attempt++ {
		have := fileSize(part)
		if have > f.size {
			// Nothing that could become the file.
			if err := os.Remove(part); err != nil {
				return err
			}
			have = 0
		}
		if have < f.size {
			err := f.fetch(ctx, part, have, progress)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if attempt < attempts {
				if errors.Is(err, errCutOff) && fileSize(part) > have {
					continue
				}
				if errors.Is(err, errNoResume) && os.Remove(part) == nil {
					continue
				}
			}
			if err != nil {
				return err
			}
		}
		got, err := checksum(part)
		if err != nil {
			return err
		}
		if got == f.sha256 {
			return nil
		}
		if err := os.Remove(part); err != nil {
			return err
		}
		// Begun by an earlier call, it may have been damaged meanwhile: once more from the start.
		if have == 0 || attempt >= attempts {
			return fmt.Errorf("its SHA-256 is \"%s\", not \"%s\": the server has another file", got, f.sha256)
		}
	}
}

var (
	// errCutOff marks a body that ended before its time.
	errCutOff = errors.New("cut off")
	// errNoResume marks a server that has nothing that continues the part.
	errNoResume = errors.New("the server cannot resume")
)

// fetch asks for what is missing of the file after its first have bytes, and appends it to part; a
// server that knows no ranges sends, and part gets, the whole.
func (f remoteFile) fetch(ctx context.Context, part string, have int64, progress *progress) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(f.patience, func() {
		cancel(fmt.Errorf("%w: the server sent nothing for %v", errCutOff, f.patience))
	})
	defer stall.Stop()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return err
	}
	// Else net/http would unpack what a server declares as gzip encoded.
	request.Header.Set("Accept-Encoding", "identity")
	if have > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		// The address is named by download.
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return causeOr(ctx, err)
	}
	defer response.Body.Close()

	mode := os.O_CREATE | os.O_WRONLY
	switch response.StatusCode {
	case http.StatusOK:
		have = 0
		mode |= os.O_TRUNC
		if length := response.ContentLength; length >= 0 && length != f.size {
			return fmt.Errorf("the server offers %d bytes, not %d: it has another file", length, f.size)
		}
	case http.StatusPartialContent:
		mode |= os.O_APPEND
		want := fmt.Sprintf("bytes %d-%d/%d", have, f.size-1, f.size)
		if got := response.Header.Get("Content-Range"); got != want {
			return fmt.Errorf("%w: it sends %q, not %q", errNoResume, got, want)
		}
	case http.StatusRequestedRangeNotSatisfiable:
		return fmt.Errorf("%w at byte %d of %d", errNoResume, have, f.size)
	default:
		return fmt.Errorf("the server answers %q", strings.TrimSpace(response.Status))
	}

	file, err := os.OpenFile(part, mode, 0o644)
	if err != nil {
		return err
	}
	progress.at(have)
	// One byte more than due is enough to see that a body has no end.
	body := io.TeeReader(io.LimitReader(response.Body, f.size-have+1), writerFunc(func(p []byte) {
		stall.Reset(f.patience)
		progress.add(len(p))
	}))
	n, err := io.Copy(file, body)
	if closeErr := file.Close(); err == nil && closeErr != nil {
		return closeErr
	}
	var pathErr *os.PathError
	switch {
	case errors.As(err, &pathErr):
		return err // of the disk
	case have+n > f.size:
		// The part is now too long to be taken up again.
		return fmt.Errorf("the server sends more than %d bytes: it has another file", f.size)
	case have+n < f.size:
		return causeOr(ctx, fmt.Errorf("%w at byte %d of %d, which are kept: try again to resume", errCutOff, have+n, f.size))
	}
	return nil
}

// causeOr returns why ctx was cancelled, if it was, else err.
func causeOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// presentAt reports whether the file is at path, whole and right.
func (f remoteFile) presentAt(path string) bool {
	if fileSize(path) != f.size {
		return false
	}
	got, err := checksum(path)
	return err == nil && got == f.sha256
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

// writerFunc is an io.Writer that looks at what goes by.
type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}
