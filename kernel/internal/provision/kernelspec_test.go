package provision

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tokenfuse/kernel/internal/jupyter"
)

func TestKernelSpec(t *testing.T) {
	machine := testMachine(t, map[string]string{"go": fakeGo})
	// A user's own GoNB, which must stay as it is.
	own := filepath.Join(machine.JupyterData, "kernels", "gonb", "kernel.json")
	if err := os.MkdirAll(filepath.Dir(own), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, []byte("the user's"), 0o644); err != nil {
		t.Fatal(err)
	}

	kernel := machine.kernelSpecPart()
	for _, step := range []string{"first", "again"} {
		if step == "again" != kernel.ready() {
			t.Errorf("%s: ready is %v", step, kernel.ready())
		}
		if err := kernel.install(t.Context(), new(progress)); err != nil {
			t.Fatal(err)
		}
	}
	if content, _ := os.ReadFile(own); string(content) != "the user's" {
		t.Errorf("the user's own kernelspec became %q", content)
	}
	if got, want := files(t, machine.JupyterData), []string{"kernels/gonb/kernel.json", "kernels/tokenfuse/kernel.json"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}

	spec, err := jupyter.ReadSpec(machine.SpecDir())
	if err != nil {
		t.Fatal(err)
	}
	wantArgv := []string{filepath.Join(machine.Home, "bin", "gonb"), "--kernel", "{connection_file}", "-go_work=" + machine.Checkout}
	if !slices.Equal(spec.Argv, wantArgv) {
		t.Errorf("argv %q, want %q", spec.Argv, wantArgv)
	}
	if want := filepath.Join(machine.Home, "bin") + ":/opt/go/bin:${PATH}"; !strings.HasSuffix(spec.Env["PATH"], want) {
		t.Errorf("PATH %q, want it to end in %q", spec.Env["PATH"], want)
	}
	if spec.DisplayName != "Go (Tokenfuse)" || spec.Language != "go" || spec.InterruptMode != "message" {
		t.Errorf("kernelspec %+v", spec)
	}

	moved := *machine
	moved.Checkout = "/elsewhere"
	if moved.kernelSpecPart().ready() {
		t.Error("another checkout's kernelspec counts as ready")
	}
}

func TestGoBackendEnv(t *testing.T) {
	tests := []struct {
		name           string
		fast, compiler bool
		plugin         bool
		want           string
	}{
		{"XLA", true, true, true, ""},
		{"no plugin", true, true, false, "simd"},
		{"plugin without a compiler", true, false, true, "simd"},
		{"old processor", false, false, false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			programs := map[string]string{}
			if test.compiler {
				programs["gcc"] = ""
			}
			machine := testMachine(t, programs)
			machine.FastVectors = test.fast
			if test.plugin {
				if err := os.MkdirAll(filepath.Dir(machine.cpuPlugin()), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(machine.cpuPlugin(), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := machine.goBackendEnv()["GOEXPERIMENT"]; got != test.want {
				t.Errorf("GOEXPERIMENT %q, want %q", got, test.want)
			}
		})
	}
}

func TestJupyterDataDir(t *testing.T) {
	tests := []struct {
		name, system string
		env          map[string]string
		want         string
	}{
		{"linux", "linux", map[string]string{"HOME": "/home/me"}, "/home/me/.local/share/jupyter"},
		{"linux, XDG", "linux", map[string]string{"HOME": "/home/me", "XDG_DATA_HOME": "/data"}, "/data/jupyter"},
		{"macOS", "darwin", map[string]string{"HOME": "/Users/me"}, "/Users/me/Library/Jupyter"},
		{"told", "linux", map[string]string{"HOME": "/home/me", "JUPYTER_DATA_DIR": "/jupyter"}, "/jupyter"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := jupyterDataDir(test.system, func(name string) string { return test.env[name] })
			if err != nil || got != test.want {
				t.Errorf("folder %q (%v), want %q", got, err, test.want)
			}
		})
	}
	if _, err := jupyterDataDir("linux", func(string) string { return "" }); err == nil {
		t.Error("no home folder is no error")
	}
}

// A notebook's module knows all that the checkout requires, and needs no network for it.
func TestCellGo(t *testing.T) {
	machine := testMachine(t, map[string]string{"go": fakeGo})
	if err := machine.installCellGo(); err != nil {
		t.Fatal(err)
	}
	real, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	run := func(dir string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(machine.cellBin(), "go"), args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "TOKENFUSE_GO="+real, "TOKENFUSE_CHECKOUT="+machine.Checkout, "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
		said, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %q: %v\n%s", args, err, said)
		}
		return string(said)
	}
	cell := t.TempDir()
	run(cell, "mod", "init", "gonb_1234")
	for _, module := range []string{"tokenfuse", "github.com/janpfeifer/gonb"} {
		if said := run(cell, "list", "-m", module); !strings.HasPrefix(said, module+" v") {
			t.Errorf("the cell's module knows of %q: %q", module, said)
		}
	}
	for flags, want := range map[string]string{"": "-ldflags=-w", "-mod=mod -ldflags=-s": "-ldflags=-w -mod=mod -ldflags=-s"} {
		t.Setenv("GOFLAGS", flags)
		cmd := exec.CommandContext(t.Context(), filepath.Join(machine.cellBin(), "go"), "env", "GOFLAGS")
		cmd.Env = append(os.Environ(), "TOKENFUSE_GO="+real)
		if said, err := cmd.Output(); err != nil || strings.TrimSpace(string(said)) != want {
			t.Errorf("with GOFLAGS=%q cells have %q (%v), want %q", flags, said, err, want)
		}
	}
	other := t.TempDir()
	run(other, "mod", "init", "mine")
	if content, err := os.ReadFile(filepath.Join(other, "go.mod")); err != nil || strings.Contains(string(content), "tokenfuse") {
		t.Errorf("another module of the user's: %s (%v)", content, err)
	}
}
