package provision

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gomlx/go-xla/installer"

	"tokenfuse/kernel/internal/failure"
)

// stalled is how long a download may go without a single byte.
const stalled = time.Minute

// download fetches a wheel into the staging folder and checks its pinned checksum.
func download(ctx context.Context, report *progress, staging, url string, wheel Wheel) (path string, err error) {
	err = watched(ctx, report, staging, wheel.Bytes, func() (err error) {
		path, _, err = installer.DownloadURLToTemp(url, wheel.File, wheel.SHA256, false, installer.Quiet)
		return err
	})
	if err != nil && ctx.Err() == nil {
		err = failure.Missing(SetupCommand+" again once the network is there", "%q cannot be had: %w", wheel.File, err)
	}
	return path, err
}

// watched runs work, a call of go-xla's installer, and reports how far the staging folder has grown,
// of total bytes where that is known. The installer knows no contexts, writes its progress to
// standard output, and leaves temporary files of failed downloads behind: so it works in the staging
// folder, which the caller removes, with standard output put away, and is left to itself when ctx
// is cancelled, which is when this program ends.
func watched(ctx context.Context, report *progress, staging string, total int64, work func() error) error {
	silence, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	stdout := os.Stdout
	os.Stdout = silence
	temporary, hadTemporary := os.LookupEnv("TMPDIR")
	os.Setenv("TMPDIR", staging)
	done := make(chan error, 1)
	go func() {
		err := work()
		os.Stdout = stdout
		if hadTemporary {
			os.Setenv("TMPDIR", temporary)
		} else {
			os.Unsetenv("TMPDIR")
		}
		silence.Close()
		done <- err
	}()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	var size int64
	grown := time.Now()
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
			now := folderSize(staging)
			if now != size {
				size, grown = now, time.Now()
			} else if size < total && time.Since(grown) > stalled {
				return failure.Missing(SetupCommand+" again", "the download stands still at %d of %d MB", size>>20, total>>20)
			}
			if total > 0 {
				report.At("downloading, %d of %d MB", size>>20, total>>20)
			} else {
				report.At("downloading, %d MB", size>>20)
			}
		}
	}
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
