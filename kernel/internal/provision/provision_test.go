package provision

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/go-xla/installer"

	"tokenfuse/kernel/internal/failure"
)

// testMachine is a linux/amd64 machine whose folders are the test's own, with the programs named;
// each is a shell script that says what is given for it.
func testMachine(t *testing.T, programs map[string]string) *Machine {
	t.Helper()
	bin := t.TempDir()
	for name, script := range programs {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	checkout, err := Checkout()
	if err != nil {
		t.Fatal(err)
	}
	return &Machine{
		OS:          "linux",
		Arch:        "amd64",
		Checkout:    checkout,
		Home:        filepath.Join(t.TempDir(), "home"),
		JupyterData: filepath.Join(t.TempDir(), "jupyter"),
		LookPath: func(program string) (string, error) {
			if _, ok := programs[program]; ok {
				return filepath.Join(bin, program), nil
			}
			return "", fmt.Errorf("%q is not there", program)
		},
		Getenv: func(string) string { return "" },
		PyPI:   func(string) (*installer.PipPackageInfo, error) { return nil, errors.New("no network in tests") },
	}
}

// fakeGo answers what provisioning asks of the go command.
const fakeGo = `case "$*" in
"env GOROOT") echo /opt/go ;;
"env GOVERSION") echo go1.26.8 ;;
*) echo unexpected "$@" >&2; exit 1 ;;
esac`

// files lists the files under dir, relative to it.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			relative, _ := filepath.Rel(dir, path)
			found = append(found, relative)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return found
}

// filePart writes a file, or fails with what is given.
func filePart(path string, failing error) part {
	return part{
		title: filepath.Base(path),
		ready: func() bool { return isFile(path) },
		install: func(context.Context, *progress) error {
			if failing != nil {
				return failing
			}
			return os.WriteFile(path, nil, 0o644)
		},
	}
}

func TestInstall(t *testing.T) {
	dir := t.TempDir()
	broken := failure.Missing("the cure", "broken")
	optional := filePart(filepath.Join(dir, "f"), errors.New("no network"))
	optional.optional = true
	tests := []struct {
		name     string
		parts    []part
		wantErr  string
		wantCode int
		wantSaid string
	}{
		{"installs what is missing", []part{filePart(filepath.Join(dir, "a"), nil)}, "", 0, "installed a"},
		{"leaves what is there", []part{filePart(filepath.Join(dir, "a"), errors.New("called"))}, "", 0, ""},
		{"goes on behind a failure", []part{filePart(filepath.Join(dir, "b"), broken), filePart(filepath.Join(dir, "c"), nil)},
			"broken: run the cure", failure.CodeMissing, "installed c"},
		{"does without what is optional", []part{optional}, "", 0, "f failed: no network"},
		{"ends with one line", []part{filePart(filepath.Join(dir, "d"), broken), filePart(filepath.Join(dir, "e"), errors.New("too"))},
			"broken: run the cure (and 1 more, above)", failure.CodeMissing, "e failed: too"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var said bytes.Buffer
			err := testMachine(t, nil).install(t.Context(), &said, test.parts)
			if text := fmt.Sprint(err); test.wantErr != "" && text != test.wantErr || test.wantErr == "" && err != nil {
				t.Errorf("error %q, want %q", text, test.wantErr)
			}
			if code := failure.Code(err); code != test.wantCode {
				t.Errorf("exit code %d, want %d", code, test.wantCode)
			}
			if !strings.Contains(said.String(), test.wantSaid) || test.wantSaid == "" && said.Len() > 0 {
				t.Errorf("said %q, want %q", said.String(), test.wantSaid)
			}
		})
	}
}

func TestInstallOnceForTwo(t *testing.T) {
	machine := testMachine(t, nil)
	path := filepath.Join(t.TempDir(), "part")
	var mutex sync.Mutex
	installs := 0
	one := filePart(path, nil)
	write := one.install
	one.install = func(ctx context.Context, report *progress) error {
		mutex.Lock()
		installs++
		mutex.Unlock()
		return write(ctx, report)
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if err := machine.install(t.Context(), &bytes.Buffer{}, []part{one}); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if installs != 1 {
		t.Errorf("two setups at once installed %d times, want 1", installs)
	}
}

func TestInstallInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	path := filepath.Join(t.TempDir(), "second")
	interrupted := part{title: "first", ready: func() bool { return false }, install: func(ctx context.Context, _ *progress) error {
		cancel()
		return ctx.Err()
	}}
	err := testMachine(t, nil).install(ctx, &bytes.Buffer{}, []part{interrupted, filePart(path, nil)})
	if code := failure.Code(err); code != failure.CodeInterrupted {
		t.Errorf("exit code %d (%v), want %d", code, err, failure.CodeInterrupted)
	}
	if isFile(path) {
		t.Error("a part was installed after the interrupt")
	}
}

func TestCheckoutOutside(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module tokenfused\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if _, err := Checkout(); failure.Code(err) != failure.CodeUsage {
		t.Errorf("another module's folder gives %v, want bad usage", err)
	}
}
