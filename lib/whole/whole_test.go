package whole

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// writerVariable makes this test program a writer of that file, which stays in the midst of it.
const writerVariable = "TOKENFUSE_TEST_WRITER"

func TestMain(m *testing.M) {
	path := os.Getenv(writerVariable)
	if path == "" {
		os.Exit(m.Run())
	}
	folder, remove, err := Folder(path)
	if err == nil {
		defer remove()
		err = os.WriteFile(filepath.Join(folder, "part"), nil, 0o600)
	}
	if err == nil {
		err = Write(path, 0o644, func(w io.Writer) error {
			fmt.Fprint(w, strings.Repeat("new", 1<<20))
			fmt.Println("writing")
			_, err := os.Stdin.Read(make([]byte, 1))
			return err
		})
	}
	fmt.Fprintln(os.Stderr, err)
}

func text(content string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, content)
		return err
	}
}

func check(t *testing.T, path, content string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != content {
		t.Errorf("%q holds %q, %v; want %q", path, got, err, content)
	}
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, content := range []string{"old", "new"} {
		if err := Write(path, 0o600, text(content)); err != nil {
			t.Fatal(err)
		}
		check(t, path, content)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: want mode 0600", info, err)
	}
	failed := errors.New("out of words")
	if err := Write(path, 0o600, func(w io.Writer) error { _ = text("ha")(w); return failed }); !errors.Is(err, failed) {
		t.Errorf("error %v, want %v", err, failed)
	}
	check(t, path, "new")
	if n := entries(t, filepath.Dir(path)); n != 1 {
		t.Errorf("%d files, want 1", n)
	}
	if err := Write(filepath.Join(path, "below"), 0o600, text("")); err == nil {
		t.Error("a file was written below a file")
	}
}

// TestLinksAndDevices: a link to a file stays one; a device stays one, and what is written to a pipe goes
// through it.
func TestLinksAndDevices(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(path, []byte("old"), 0o600), os.Symlink("file", link)); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, 0o600, text("new")); err != nil {
		t.Fatal(err)
	}
	check(t, path, "new")
	if target, err := os.Readlink(link); err != nil || target != "file" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	null := filepath.Join(dir, "null") // were it /dev/null itself, a failure would cost this machine its own
	if err := os.Symlink(os.DevNull, null); err != nil {
		t.Fatal(err)
	}
	for _, special := range []string{null, pipe(t, "through")} {
		if !Special(special) || Special(path) || Special(dir) || Special(filepath.Join(dir, "absent")) {
			t.Errorf("%s is not told from a file, a folder or nothing", special)
		}
		if err := Write(special, 0o600, text("through")); err != nil {
			t.Error(err)
		}
		if !Special(special) {
			t.Errorf("%s is a file now", special)
		}
	}
}

// pipe is the path of a pipe, out of which that text must come.
func pipe(t *testing.T, want string) string {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		writer.Close()
		if got, err := io.ReadAll(reader); err != nil || string(got) != want {
			t.Errorf("out of the pipe came %q, %v; want %q", got, err, want)
		}
	})
	return fmt.Sprintf("/dev/fd/%d", writer.Fd())
}

func TestFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	folder, remove, err := Folder(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "part"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, 0o600, text("")); err != nil {
		t.Fatal(err)
	}
	if n := entries(t, folder); n != 1 {
		t.Errorf("%d files in the folder while it is in use, want 1", n)
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	if n := entries(t, filepath.Dir(path)); n != 1 {
		t.Errorf("%d files, want 1", n)
	}
	if _, _, err := Folder(filepath.Join(path, "below")); err == nil {
		t.Error("a folder was made below a file")
	}
}

// A writer that is killed leaves the old content; what it had written goes with the next write, and
// not before it is killed.
func TestKilledWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := Write(path, 0o644, text("old")); err != nil {
		t.Fatal(err)
	}
	writer := exec.Command(os.Args[0])
	writer.Env = append(os.Environ(), writerVariable+"="+path)
	if _, err := writer.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	said, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	if err := Write(path, 0o644, text("mine")); err != nil {
		t.Fatal(err)
	}
	if n := entries(t, filepath.Dir(path)); n != 3 {
		t.Errorf("%d files while another writes, want 3: it has a file and a folder", n)
	}
	if err := writer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Wait()
	check(t, path, "mine")
	if err := Write(path, 0o644, text("next")); err != nil {
		t.Fatal(err)
	}
	check(t, path, "next")
	if n := entries(t, filepath.Dir(path)); n != 1 {
		t.Errorf("%d files behind the next write, want 1", n)
	}
}

func TestManyWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	content := strings.Repeat("whole ", 10_000)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				if err := Write(path, 0o644, text(content)); err != nil {
					t.Error(err)
				}
				check(t, path, content)
			}
		})
	}
	all.Wait()
	if n := entries(t, filepath.Dir(path)); n != 1 {
		t.Errorf("%d files, want 1", n)
	}
}
