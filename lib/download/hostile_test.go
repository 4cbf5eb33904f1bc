//go:build unix

package download

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// downloadVariable makes this test program download that address to the path behind it.
const downloadVariable = "TOKENFUSE_TEST_DOWNLOAD"

func TestMain(m *testing.M) {
	task := os.Getenv(downloadVariable)
	if task == "" {
		os.Exit(m.Run())
	}
	var file File
	var path string
	if _, err := fmt.Sscan(task, &file.URL, &file.Size, &file.SHA256, &path); err != nil {
		panic(err)
	}
	if err := file.To(context.Background(), path, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestRedirectToAFile: a server cannot make a file of this machine the download.
func TestRedirectToAFile(t *testing.T) {
	content := counting(1000)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, location := range map[string]string{"file": "file://" + secret, "itself": "/file.gz", "another scheme": "gopher://localhost/"} {
		t.Run(name, func(t *testing.T) {
			file := fileOf(content, serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, location, http.StatusFound) }))
			path := filepath.Join(t.TempDir(), "file.gz")
			checkError(t, file.To(t.Context(), path, nil), file.URL)
			if fileSize(path)+fileSize(path+".part") != 0 {
				t.Error("something is there")
			}
		})
	}
}

// TestTrickle: a server that sends a byte now and then is given up as one that sends nothing is.
func TestTrickle(t *testing.T) {
	content := counting(100_000)
	file := fileOf(content, serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		for i := range content {
			if _, err := w.Write(content[i : i+1]); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
	}))
	file.Patience = 100 * time.Millisecond
	path := filepath.Join(t.TempDir(), "file.gz")
	err := file.To(t.Context(), path, nil)
	checkError(t, err, file.URL, "the server sent only", "in 100ms")
	if fileSize(path) != 0 {
		t.Error("the file is there")
	}
}

// TestDiskFull: what does not fit is one line, and no file.
func TestDiskFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	content := counting(100_000)
	file := fileOf(content, serve(t, ranges(content)))
	path := filepath.Join(t.TempDir(), "file.gz")
	if err := os.Symlink("/dev/full", path+".part"); err != nil {
		t.Fatal(err)
	}
	err := file.To(t.Context(), path, nil)
	checkError(t, err, file.URL, "no space left on device")
	if !errors.Is(err, syscall.ENOSPC) || fileSize(path) != 0 {
		t.Errorf("error %v, %d bytes of the file; want the disk's, and none", err, fileSize(path))
	}
	if err := os.Remove(path + ".part"); err != nil {
		t.Fatal(err)
	}
	checkFile(t, file.To(t.Context(), path, nil), path, content)
}

// TestKilledProcess: of two processes that want a file one is killed in the midst of it; the other goes
// on from there.
func TestKilledProcess(t *testing.T) {
	content := counting(100_000)
	const some = 60_000
	var resumed atomic.Bool
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") == "" {
			hanging(content, some)(w, r)
			return
		}
		resumed.Store(r.Header.Get("Range") == fmt.Sprintf("bytes=%d-", some))
		ranges(content)(w, r)
	})
	path := filepath.Join(t.TempDir(), "file.gz")
	start := func() (*exec.Cmd, *strings.Builder) {
		var said strings.Builder
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), downloadVariable+"="+fmt.Sprint(url, " ", len(content), " ", sum(content), " ", path))
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, &said
	}
	first, _ := start()
	for limit := time.Now().Add(time.Minute); fileSize(path+".part") < some; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the first gets nothing")
		}
	}
	second, said := start()
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	if err := second.Wait(); err != nil {
		t.Fatal(err, said)
	}
	checkFile(t, nil, path, content)
	if !resumed.Load() {
		t.Error("it began anew")
	}
}
