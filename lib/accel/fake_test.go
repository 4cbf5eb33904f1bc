//go:build cgo && (linux || darwin)

package accel_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/go-xla/pjrt"

	"tokenfuse/lib/accel"
)

// The tests of the compile cache run processes: this test binary, with a task in its environment.
const taskVariable = "ACCEL_TEST_TASK"

// outcome is what a process says of its task.
type outcome struct {
	Hits, Misses int
	Result       string // what was compiled, or computed
}

var tasks = map[string]func() (string, error){
	"compile":       func() (string, error) { return compileText(fakeProgram, nil) },
	"another":       func() (string, error) { return compileText(fakeProgram+" // another", nil) },
	"assigned":      func() (string, error) { return compileText(fakeProgram, []int{1}) },
	"flags changed": flagsChanged,
	"logits":        smallLogits,
	"deit":          deitLogits,
	"backends":      severalBackends,
}

func TestMain(m *testing.M) {
	task, ok := tasks[os.Getenv(taskVariable)]
	if !ok {
		os.Exit(withoutUsersCache(m))
	}
	result, err := task()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	hits, misses := accel.CacheStats()
	_ = json.NewEncoder(os.Stdout).Encode(outcome{hits, misses, result})
}

// withoutUsersCache runs the tests with a compile cache of their own.
func withoutUsersCache(m *testing.M) int {
	dir, err := os.MkdirTemp("", "accel")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv(accel.CacheVariable, dir); err != nil {
		panic(err)
	}
	return m.Run()
}

// run runs a task in a process of its own, with variables NAME=value on top of this one's.
func run(t testing.TB, task string, variables ...string) outcome {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), taskVariable+"="+task), variables...)
	var said, complaint strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %s", task, err, complaint.String())
	}
	if complaint.Len() > 0 {
		t.Errorf("%s: the user is told %q", task, complaint.String())
	}
	var got outcome
	if err := json.Unmarshal([]byte(said.String()), &got); err != nil {
		t.Fatalf("%s: %q: %v", task, said.String(), err)
	}
	return got
}

const fakeProgram = "func.func @main() { return }"

// compileText compiles a text on the plugin of the environment, and returns the executable's name.
func compileText(program string, devices []int) (string, error) {
	if _, err := accel.New(accel.Choice()); err != nil {
		return "", err
	}
	_, path, _ := strings.Cut(accel.Choice(), ":")
	return compileOn(path, program, devices)
}

// compileOn is compileText on a plugin of which there is a backend.
func compileOn(name, program string, devices []int) (string, error) {
	plugin, err := pjrt.GetPlugin(name)
	if err != nil {
		return "", err
	}
	client, err := plugin.NewClient(nil)
	if err != nil {
		return "", err
	}
	compilation := client.Compile().WithStableHLO([]byte(program))
	if devices != nil {
		compilation = compilation.WithDeviceAssignment(devices)
	}
	executable, err := compilation.Done()
	if err != nil {
		return "", err
	}
	return executable.Name, nil
}

// severalBackends makes a backend of each configuration in CONFIGS, all at once, then compiles on the
// plugin of each.
func severalBackends() (string, error) {
	configs := strings.Fields(os.Getenv("CONFIGS"))
	var making sync.WaitGroup
	for _, config := range configs {
		making.Go(func() {
			if backend, err := accel.New(config); err != nil || accel.Name(backend) != "XLA CPU" {
				fmt.Fprintln(os.Stderr, config, backend, err) // which run reports
			}
		})
	}
	making.Wait()
	var names []string
	for _, config := range configs {
		_, options, _ := strings.Cut(config, ":")
		plugin, _, _ := strings.Cut(options, ",")
		name, err := compileOn(plugin, fakeProgram, nil)
		if err != nil {
			return "", err
		}
		names = append(names, name)
	}
	return strings.Join(slices.Compact(names), ", "), nil
}

// flagsChanged compiles after XLA_FLAGS was changed too late for XLA to notice.
func flagsChanged() (string, error) {
	if _, err := accel.New(accel.Choice()); err != nil {
		return "", err
	}
	if err := os.Setenv("XLA_FLAGS", "--late"); err != nil {
		return "", err
	}
	return compileText(fakeProgram, nil)
}

// fakePlugin builds testdata/plugin.c, which says content in what it compiles, at path.
func fakePlugin(t *testing.T, path, content string) {
	t.Helper()
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler")
	}
	// Linked aside and renamed, as an installer does.
	aside := filepath.Join(t.TempDir(), "plugin.so")
	cmd := exec.Command(compiler, "-shared", "-fPIC", fmt.Sprintf("-DCONTENT=%q", content), "-o", aside, "testdata/plugin.c")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
}

// fakeSetting is a plugin, a cache and a file of marks for the compilations, all new.
type fakeSetting struct{ plugin, cache, compiled string }

func newFake(t *testing.T) fakeSetting {
	dir := t.TempDir()
	s := fakeSetting{filepath.Join(dir, "fake.so"), filepath.Join(dir, "cache"), filepath.Join(dir, "compiled")}
	fakePlugin(t, s.plugin, "me")
	return s
}

// run runs a task and says whether the plugin compiled.
func (s fakeSetting) run(t *testing.T, task string, variables ...string) (got outcome, compiled bool) {
	t.Helper()
	before, _ := os.ReadFile(s.compiled)
	got = run(t, task, append([]string{"GOMLX_BACKEND=xla:" + s.plugin, accel.CacheVariable + "=" + s.cache, "FAKE_COMPILED=" + s.compiled}, variables...)...)
	after, _ := os.ReadFile(s.compiled)
	return got, len(after) > len(before)
}
