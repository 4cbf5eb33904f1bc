package provision

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// patience is how long a server may send less than trickle bytes; tests have less of it.
var patience = time.Minute

const trickle = 4 << 10

// watched runs work, a call of go-xla's installer, and reports how far the staging folder has grown,
// of total bytes where that is known.
//
// The installer knows no contexts, takes any answer for the file it asked for, writes its progress
// to standard output, and leaves the temporary files of failed downloads behind. So, while it works,
// it works in the staging folder, which the caller removes, with standard output put away, and with
// requests that end with ctx and fail on an HTTP error.
func watched(ctx context.Context, report *progress, staging string, total int64, work func() error) error {
	silence, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer silence.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	stdout, transport := os.Stdout, http.DefaultTransport
	temporary, hadTemporary := os.LookupEnv("TMPDIR")
	os.Stdout, http.DefaultTransport = silence, boundTransport{ctx, transport}
	os.Setenv("TMPDIR", staging)
	defer func() {
		os.Stdout, http.DefaultTransport = stdout, transport
		if hadTemporary {
			os.Setenv("TMPDIR", temporary)
		} else {
			os.Unsetenv("TMPDIR")
		}
	}()

	done := make(chan error, 1)
	go func() { done <- work() }()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	var mark int64 // what was there when the server was last found to be in good health
	healthy := time.Now()
	for {
		select {
		case err := <-done:
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		case <-ticker.C:
			size := folderSize(staging)
			switch {
			case total > 0 && size > total:
				cancel(fmt.Errorf("the server sends more than the %d bytes of the file", total))
			case size < mark || size >= mark+trickle:
				mark, healthy = size, time.Now()
			case size < total && time.Since(healthy) > patience:
				cancel(fmt.Errorf("the download stands still at %d of %d MB", size>>20, total>>20))
			}
			if total > 0 {
				report.At("downloading, %d of %d MB", size>>20, total>>20)
			} else {
				report.At("downloading, %d MB", size>>20)
			}
		}
	}
}

// boundTransport makes requests that end with ctx, and makes an error of an HTTP error.
type boundTransport struct {
	ctx  context.Context
	base http.RoundTripper
}

func (t boundTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.base.RoundTrip(request.WithContext(t.ctx))
	if err == nil && response.StatusCode >= 400 {
		response.Body.Close()
		return nil, fmt.Errorf("the server answers %q", response.Status)
	}
	return response, err
}

// folderSize adds up the files in a folder, as far as they can be seen.
func folderSize(dir string) (size int64) {
	filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return size
}
