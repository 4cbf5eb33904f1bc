package download

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counting returns n bytes that hardly compress.
func counting(n int) []byte {
	data := make([]byte, n)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

func flipped(file []byte, i int) []byte {
	file = slices.Clone(file)
	if i < 0 {
		i += len(file)
	}
	file[i] ^= 0xff
	return file
}

// checkError wants an error of one line that holds the given texts.
func checkError(t *testing.T, err error, wants ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error of more than one line: %v", err)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not hold %q", err, want)
		}
	}
}

func sum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

// fileOf returns the file of that content at url.
func fileOf(content []byte, url string) File {
	return File{url, int64(len(content)), sum(content), time.Minute}
}

// ranges serves content as a good server does, with ranges.
func ranges(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "file", time.Time{}, bytes.NewReader(content))
	}
}

// plain serves the whole, whatever range is asked for.
func plain(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.Write(content)
	}
}

// inPieces promises all that is asked for, and breaks the connection after so many bytes.
func inPieces(content []byte, most int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ranges(content)(&brokenWriter{w, most}, r)
	}
}

type brokenWriter struct {
	http.ResponseWriter
	left int
}

func (b *brokenWriter) Write(p []byte) (int, error) {
	if len(p) <= b.left {
		b.left -= len(p)
		return b.ResponseWriter.Write(p)
	}
	b.ResponseWriter.Write(p[:b.left])
	b.ResponseWriter.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL + "/file.gz"
}

func TestDownload(t *testing.T) {
	content := counting(100_000)
	other := flipped(content, 5)
	tests := map[string]struct {
		handler http.HandlerFunc
		part    []byte // there from an earlier call
		want    string // error; empty: the file
		kept    int    // bytes of the part kept after an error
	}{
		"good":                              {handler: ranges(content)},
		"resumed":                           {handler: ranges(content), part: content[:60_000]},
		"part already whole":                {handler: ranges(content), part: content},
		"part damaged":                      {handler: ranges(content), part: other[:60_000]},
		"part whole but damaged":            {handler: ranges(content), part: other},
		"part too long":                     {handler: ranges(content), part: append(content[:len(content):len(content)], 1)},
		"cut off, resumed at once":          {handler: inPieces(content, 30_000)},
		"server knows no ranges":            {handler: plain(content), part: content[:60_000]},
		"server resumes elsewhere":          {handler: shifted(content), part: content[:60_000]},
		"server refuses the range":          {handler: unsatisfiable(content), part: content[:60_000]},
		"cut off again and again":           {handler: inPieces(content, 10_000), want: "cut off at byte 50000 of 100000, which are kept", kept: 50_000},
		"wrong checksum":                    {handler: ranges(other), want: "its SHA-256 is"},
		"wrong checksum, resumed":           {handler: ranges(flipped(content, -5)), part: content[:60_000], want: "its SHA-256 is"},
		"shorter than it should be":         {handler: plain(content[:99_999]), want: "the server offers 99999 bytes, not 100000"},
		"longer than it should be":          {handler: plain(append(content[:len(content):len(content)], 1)), want: "the server offers 100001 bytes, not 100000"},
		"no length, ends early, then fails": {handler: chunked(content[:70_000]), want: `the server answers "503 Service Unavailable"`, kept: 70_000},
		"no length, no end":                 {handler: endless, want: "the server sends more than 100000 bytes"},
		"not found":                         {handler: http.NotFound, want: `the server answers "404 Not Found"`},
		"not found, with a part":            {handler: http.NotFound, part: content[:60_000], want: "404", kept: 60_000},
		"server error":                      {handler: failing, want: `the server answers "500 Internal Server Error"`},
		"declared as gzip, taken as it is":  {handler: encoded(content)},
		"range where none was asked for":    {handler: shifted(content)},
		"always the wrong range":            {handler: alwaysShifted(content), want: "the server cannot resume"},
		"a page in its place, status is OK": {handler: plain([]byte("<html>log in first</html>")), want: "the server offers 25 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serve(t, test.handler)
			path := filepath.Join(t.TempDir(), "new", "file.gz")
			if test.part != nil {
				os.MkdirAll(filepath.Dir(path), 0o755)
				if err := os.WriteFile(path+".part", test.part, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			err := fileOf(content, url).To(t.Context(), path, io.Discard)
			if test.want == "" {
				checkFile(t, err, path, content)
				return
			}
			checkError(t, err, test.want, url)
			if _, err := os.Stat(path); err == nil {
				t.Error("the file is there in spite of the error")
			}
			if name != "no length, no end" && fileSize(path+".part") != int64(test.kept) {
				t.Errorf("%d bytes kept, want %d", fileSize(path+".part"), test.kept)
			}
			// A server that got well gives the file, whatever was left behind.
			file := fileOf(content, serve(t, ranges(content)))
			checkFile(t, file.To(t.Context(), path, io.Discard), path, content)
		})
	}
}

// checkFile wants the content at path, and no part beside it.
func checkFile(t *testing.T, err error, path string, content []byte) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, content) {
		t.Error("the file has another content")
	}
	if _, err := os.Stat(path + ".part"); err == nil {
		t.Error("the part is still there")
	}
}

func shifted(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") == "" {
			w.Write(content)
			return
		}
		alwaysShifted(content)(w, r)
	}
}

func alwaysShifted(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes 10-%d/%d", len(content)-1, len(content)))
		w.WriteHeader(http.StatusPartialContent)
		w.Write(content[10:])
	}
}

func unsatisfiable(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") == "" {
			w.Write(content)
			return
		}
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
	}
}

func chunked(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.(http.Flusher).Flush()
		w.Write(content)
	}
}

func encoded(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(content)
	}
}

func endless(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := w.Write(make([]byte, 32<<10)); err != nil {
			return
		}
	}
}

func failing(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "on fire", http.StatusInternalServerError)
}

func TestDownloadAsksOnlyForWhatIsMissing(t *testing.T) {
	content := counting(1000)
	var asked []string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Range"))
		ranges(content)(w, r)
	})
	path := filepath.Join(t.TempDir(), "file.gz")
	if err := os.WriteFile(path+".part", content[:600], 0o644); err != nil {
		t.Fatal(err)
	}
	file := fileOf(content, url)
	for range 2 { // the second time it is there
		checkFile(t, file.To(t.Context(), path, io.Discard), path, content)
	}
	if got := strings.Join(asked, " "); got != "bytes=600-" {
		t.Errorf("asked for %q", got)
	}
}

func TestDownloadReplacesADamagedFile(t *testing.T) {
	content := counting(1000)
	path := filepath.Join(t.TempDir(), "file.gz")
	if err := os.WriteFile(path, flipped(content, 3), 0o644); err != nil {
		t.Fatal(err)
	}
	file := fileOf(content, serve(t, ranges(content)))
	checkFile(t, file.To(t.Context(), path, io.Discard), path, content)
}

// hanging sends some of the content, then nothing more.
func hanging(content []byte, some int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.Write(content[:some])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

func TestDownloadCancelledThenResumed(t *testing.T) {
	content := counting(2_000_000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	path := filepath.Join(t.TempDir(), "file.gz")
	watch := writerFunc(func(p []byte) {
		if bytes.Contains(p, []byte("25%")) {
			cancel()
		}
	})
	err := fileOf(content, serve(t, hanging(content, 1_200_000))).To(ctx, path, watch)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want the context's", err)
	}
	if fileSize(path+".part") == 0 || fileSize(path) != 0 {
		t.Error("want a part and no file")
	}
	checkFile(t, fileOf(content, serve(t, ranges(content))).To(t.Context(), path, io.Discard), path, content)
}

func TestDownloadGivesUpASilentServer(t *testing.T) {
	content := counting(1000)
	for name, handler := range map[string]http.HandlerFunc{
		"no answer":   func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"no new byte": hanging(content, 0),
	} {
		t.Run(name, func(t *testing.T) {
			file := fileOf(content, serve(t, handler))
			file.Patience = 20 * time.Millisecond
			err := file.To(t.Context(), filepath.Join(t.TempDir(), "file.gz"), io.Discard)
			checkError(t, err, file.URL, "cut off: the server sent nothing for 20ms")
		})
	}
}

// Locks are between open files, so calls within one process take turns as processes do.
func TestDownloadTakesTurns(t *testing.T) {
	content := counting(100_000)
	var requests atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		ranges(content)(w, r)
	})
	path := filepath.Join(t.TempDir(), "file.gz")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := fileOf(content, url).To(t.Context(), path, io.Discard); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	checkFile(t, nil, path, content)
	if requests.Load() != 1 {
		t.Errorf("%d requests, want 1", requests.Load())
	}
}

func TestDownloadShowsProgress(t *testing.T) {
	content := counting(2_000_000)
	tests := map[string]struct {
		content []byte
		part    int
		want    string
	}{
		"from the start": {content, 0, "downloading file.gz: 2.0 MB\n" +
			"downloading file.gz: 25%\ndownloading file.gz: 50%\ndownloading file.gz: 75%\ndownloading file.gz: 100%\n"},
		"resumed": {content, 1_200_000, "downloading file.gz: 1.2 of 2.0 MB\n" +
			"downloading file.gz: 75%\ndownloading file.gz: 100%\n"},
		"small": {content[:5000], 0, "downloading file.gz: 5.0 kB\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file.gz")
			if err := os.WriteFile(path+".part", test.content[:test.part], 0o644); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			file := fileOf(test.content, serve(t, ranges(test.content)))
			checkFile(t, file.To(t.Context(), path, &out), path, test.content)
			if out.String() != test.want {
				t.Errorf("progress:\n%s", &out)
			}
		})
	}
}

// Without a size beforehand, the server's counts; a checksum may be cut short.
func TestDownloadOfUnknownSize(t *testing.T) {
	content := counting(100_000)
	tests := map[string]struct {
		handler http.HandlerFunc
		part    []byte
		want    string
	}{
		"good":                     {handler: ranges(content)},
		"resumed":                  {handler: ranges(content), part: content[:60_000]},
		"part already whole":       {handler: ranges(content), part: content},
		"part damaged":             {handler: ranges(content), part: flipped(content, 5)[:60_000]},
		"part whole but damaged":   {handler: ranges(content), part: flipped(content, 5)},
		"part too long":            {handler: ranges(content), part: append(content[:len(content):len(content)], 1)},
		"cut off, resumed at once": {handler: inPieces(content, 30_000)},
		"server knows no ranges":   {handler: plain(content), part: content[:60_000]},
		"always the wrong range":   {handler: alwaysShifted(content), want: "the server cannot resume"},
		"wrong checksum":           {handler: ranges(flipped(content, 7)), want: "its SHA-256 is"},
		"no length":                {handler: chunked(content), want: "does not say how long it is"},
		"empty":                    {handler: plain(nil), want: "does not say how long it is"},
		"not found":                {handler: http.NotFound, want: "404"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := File{URL: serve(t, test.handler), SHA256: sum(content)[:8]}
			path := filepath.Join(t.TempDir(), "file.gz")
			if test.part != nil {
				if err := os.WriteFile(path+".part", test.part, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			err := file.To(t.Context(), path, nil)
			if test.want == "" {
				checkFile(t, err, path, content)
				return
			}
			checkError(t, err, test.want, file.URL)
			if _, err := os.Stat(path); err == nil {
				t.Error("the file is there in spite of the error")
			}
		})
	}
}

func TestDownloadOfUnknownSizeAsksOnce(t *testing.T) {
	content := counting(1000)
	var requests atomic.Int32
	file := File{SHA256: sum(content), URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		ranges(content)(w, r)
	})}
	path := filepath.Join(t.TempDir(), "file.gz")
	for range 2 {
		checkFile(t, file.To(t.Context(), path, nil), path, content)
	}
	if requests.Load() != 1 {
		t.Errorf("%d requests, want 1", requests.Load())
	}
	// Another file of that name is not taken for it.
	if err := os.WriteFile(path, counting(999), 0o644); err != nil {
		t.Fatal(err)
	}
	checkFile(t, file.To(t.Context(), path, nil), path, content)
}

func TestDownloadKnowsAChecksum(t *testing.T) {
	for name, digits := range map[string]string{
		"seven digits": "cd65a15", "65 digits": strings.Repeat("0", 65), "no digits": "cd65a15g", "capitals": "CD65A155",
	} {
		t.Run(name, func(t *testing.T) {
			err := File{URL: "http://localhost/x", SHA256: digits}.To(t.Context(), filepath.Join(t.TempDir(), "x"), nil)
			checkError(t, err, "http://localhost/x", "not 8 to 64 hex digits")
		})
	}
}

func TestCache(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "/caches")
	t.Setenv("HOME", "/home/me")
	dir, err := Cache("datasets", "cifar10")
	if err != nil || !strings.HasSuffix(dir, filepath.Join("aches", "tokenfuse", "datasets", "cifar10")) {
		t.Errorf("%q, %v", dir, err)
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	_, err = Cache()
	checkError(t, err, "no cache to download to", "HOME")
}
