package accel_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tokenfuse/lib/accel"
)

// TestChoice: GOMLX_BACKEND decides alone; else CUDA, CPU, Go, by what is installed.
func TestChoice(t *testing.T) {
	home := t.TempDir()
	t.Setenv("TOKENFUSE_HOME", home)
	t.Setenv("GOMLX_BACKEND", "")
	if got := accel.Choice(); got != "go" {
		t.Errorf("with nothing installed: %q", got)
	}
	dir, err := accel.PluginDir()
	if err != nil || dir != filepath.Join(home, "pjrt") {
		t.Fatalf("plugins go to %q, %v", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, platform := range []string{"cpu", "cuda"} {
		path := filepath.Join(dir, "pjrt_"+platform+".so")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := accel.Choice(); got != "xla:"+path && got != "go" /* built without cgo */ {
			t.Errorf("with %s installed: %q", platform, got)
		}
	}
	t.Setenv("GOMLX_BACKEND", "go")
	if got := accel.Choice(); got != "go" {
		t.Errorf("GOMLX_BACKEND=go: %q", got)
	}
}

func TestHome(t *testing.T) {
	t.Setenv("TOKENFUSE_HOME", "")
	t.Setenv("XDG_DATA_HOME", "/data")
	if got, err := accel.Home(); err != nil || got != "/data/tokenfuse" {
		t.Errorf("%q, %v", got, err)
	}
	t.Setenv("XDG_DATA_HOME", "")
	t.Setenv("HOME", "/home/someone")
	if got, err := accel.Home(); err != nil || got != "/home/someone/.local/share/tokenfuse" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestNewRefuses: a backend that is not there is one line with a cure.
func TestNewRefuses(t *testing.T) {
	for _, config := range []string{"nonsense", "xla:/nowhere/plugin.so"} {
		_, err := accel.New(config)
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), config) || !strings.Contains(err.Error(), "doctor") {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func TestTry(t *testing.T) {
	for name, c := range map[string]struct {
		f    func()
		want string
	}{
		"nothing":  {func() {}, ""},
		"an error": {func() { panic(errors.New("first\nstack")) }, "first"},
		"a text":   {func() { panic("first\nstack") }, "first"},
		"wrapped":  {func() { panic(errors.New(`graphFn for "x" panicked: cause`)) }, "cause"},
	} {
		err := accel.Try(c.f)
		if got := ""; err != nil {
			got = err.Error()
			if got != c.want {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
		} else if c.want != "" {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestName: rows of results say where they were computed.
func TestName(t *testing.T) {
	for _, config := range []string{"go", accel.Choice()} {
		backend, err := accel.New(config)
		if err != nil {
			t.Fatal(err)
		}
		want := "Go"
		if strings.HasPrefix(config, "xla:") {
			want = "XLA "
		}
		if got := accel.Name(backend); !strings.HasPrefix(got, want) {
			t.Errorf("%s is named %q, want %q", config, got, want)
		}
	}
}
