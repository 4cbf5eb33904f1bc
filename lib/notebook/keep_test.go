package notebook

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/result"
)

// counted returns a function that counts how often it computes.
func counted[T any](value T, calls *int) func() (T, error) {
	return func() (T, error) { *calls++; return value, nil }
}

// keepIn lets the test keep values in a folder of its own.
func keepIn(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "kept")
	t.Setenv(KeepVariable, dir)
	return dir
}

// TestKeep: a value is computed once for the same key, type and content of the inputs, and again for others.
func TestKeep(t *testing.T) {
	keepIn(t)
	calls := 0
	rows := []result.Row{{Model: "m", Method: "tome", AccuracyTop1: 0.1}}
	check := func(name, key string, inputs any, want int) {
		t.Helper()
		got, err := Keep(key, inputs, counted(rows, &calls))
		if err != nil || len(got) != 1 || got[0].Method != "tome" || got[0].AccuracyTop1 != 0.1 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if calls != want {
			t.Errorf("%s: computed %d times, want %d", name, calls, want)
		}
	}
	images := []uint8{1, 2, 3}
	check("first", "study", []any{images, 4}, 1)
	check("again", "study", []any{[]uint8{1, 2, 3}, 4}, 1)
	images[2] = 9
	check("another pixel", "study", []any{images, 4}, 2)
	check("another r", "study", []any{images, 5}, 3)
	check("another key", "other study", []any{images, 5}, 4)
	check("all again", "study", []any{[]uint8{1, 2, 3}, 4}, 4)
	t.Setenv("GOMLX_BACKEND", "go")
	check("another backend", "study", []any{images, 4}, 5)

	n := 0
	for range 2 {
		if got, err := Keep("study", []any{images, 4}, counted(3, &n)); got != 3 || err != nil || n != 1 {
			t.Errorf("another type under the same key: %d, %v, computed %d times", got, err, n)
		}
	}
}

func TestKeepTensors(t *testing.T) {
	dir := keepIn(t)
	calls := 0
	for range 2 {
		got, err := Keep("weights", nil, counted(map[string]*tensors.Tensor{"w": tensors.FromValue([]float32{1, 2})}, &calls))
		if err != nil || calls != 1 || fmt.Sprint(got["w"].Value()) != "[1 2]" {
			t.Errorf("%v, %v, computed %d times", got, err, calls)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.kept"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	if content, err := os.ReadFile(files[0]); err != nil || !strings.Contains(string(content), `"dtype":"F32"`) {
		t.Errorf("not as safetensors: %v", err)
	}
}

// TestKeepErrors: what fails is not kept, and what cannot be kept or compared is said in one line.
func TestKeepErrors(t *testing.T) {
	keepIn(t)
	calls := 0
	boom := errors.New("boom")
	for want := 1; want < 3; want++ {
		_, err := Keep("fails", nil, func() (int, error) { calls++; return 0, boom })
		if err != boom || calls != want {
			t.Errorf("%v, computed %d times, want %d", err, calls, want)
		}
	}
	never := func() (int, error) { t.Error("computed"); return 0, nil }
	for want, keep := range map[string]func() error{
		`notebook: Keep("k"): inputs: the value[1] is a func()`:   func() error { _, err := Keep("k", []any{1, func() {}}, never); return err },
		`notebook: Keep("k"): inputs: the value: open /none`:      func() error { _, err := Keep("k", File("/none"), never); return err },
		`notebook: Keep("k"): []interface {}[] is a interface {}`: func() error { _, err := Keep("k", nil, func() ([]any, error) { return nil, nil }); return err },
	} {
		if err := keep(); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestKeepDamaged: an entry damaged in any place is computed again, and kept whole.
func TestKeepDamaged(t *testing.T) {
	dir := keepIn(t)
	calls := 0
	keep := func() {
		t.Helper()
		if got, err := Keep("k", 1, counted("value", &calls)); got != "value" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	keep()
	files, _ := filepath.Glob(filepath.Join(dir, "*.kept"))
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(whole); i += 7 {
		damaged := append([]byte{}, whole...)
		damaged[i] ^= 0x20
		if i%2 == 0 {
			damaged = damaged[:i]
		}
		if err := os.WriteFile(files[0], damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		before := calls
		keep()
		keep()
		if calls != before+1 {
			t.Errorf("byte %d: computed %d times, want once", i, calls-before)
		}
	}
}

func TestKeptAndCleared(t *testing.T) {
	dir := keepIn(t)
	if values, err := Kept(); err != nil || len(values) > 0 {
		t.Errorf("before: %v, %v", values, err)
	}
	calls := 0
	keep := func(key string, inputs any) { Must(Keep(key, inputs, counted(1, &calls))) }
	keep("a", 1)
	keep("a", 2)
	keep("b", 1)
	values, err := Kept()
	if err != nil || len(values) != 3 {
		t.Fatalf("%v, %v", values, err)
	}
	for _, v := range values {
		if v.Type != "int" || v.Bytes == 0 || v.Made.IsZero() || v.Used.IsZero() {
			t.Errorf("%+v", v)
		}
	}
	if table := keptTable(values).render().text; strings.Count(table, "│ a ") != 2 || strings.Count(table, "│ b ") != 1 {
		t.Errorf("shown as\n%s", table)
	}
	if err := ClearKept("a", "none"); err != nil {
		t.Fatal(err)
	}
	keep("b", 1)
	if values, err := Kept(); err != nil || len(values) != 1 || values[0].Key != "b" || calls != 3 {
		t.Errorf("after a is cleared: %v, %v, computed %d times", values, err, calls)
	}
	if err := os.WriteFile(filepath.Join(dir, strings.Repeat("0", 64)+".kept"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if values, _ := Kept(); len(values) != 2 {
		t.Errorf("with a damaged one: %v", values)
	}
	if err := ClearKept(); err != nil {
		t.Fatal(err)
	}
	if values, err := Kept(); err != nil || len(values) > 0 {
		t.Errorf("after all are cleared: %v, %v", values, err)
	}
}

// TestKeepNowhere: without a folder that can be written everything is computed, each time.
func TestKeepNowhere(t *testing.T) {
	for _, dir := range []string{"off", "/dev/null/kept"} {
		t.Setenv(KeepVariable, dir)
		calls := 0
		for want := 1; want < 3; want++ {
			if got, err := Keep("k", 1, counted(5, &calls)); got != 5 || err != nil || calls != want {
				t.Errorf("%s: %d, %v, computed %d times, want %d", dir, got, err, calls, want)
			}
		}
	}
	t.Setenv(KeepVariable, "off")
	if values, err := Kept(); err != nil || len(values) > 0 || ClearKept() != nil {
		t.Errorf("off: %v, %v", values, err)
	}
}

// TestKeepProcesses: processes that keep the same values at once all get the right ones, and a later one
// computes nothing.
func TestKeepProcesses(t *testing.T) {
	keepIn(t)
	program := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "NOTEBOOK_TEST_PROGRAM=keeps")
		said, err := cmd.CombinedOutput()
		return string(said), err
	}
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			if said, err := program(); err != nil {
				t.Errorf("%s, %v", said, err)
			}
		})
	}
	running.Wait()
	if said, err := program(); err != nil || said != "computed 0\n" {
		t.Errorf("a later process: %q, %v", said, err)
	}
}

// keeps is the program of TestKeepProcesses.
func keeps() {
	calls := 0
	for i := range 20 {
		want := strings.Repeat(fmt.Sprint(i), 10_000)
		if got := Must(Keep("shared", i, counted(want, &calls))); got != want {
			fmt.Println("a wrong value for", i)
			os.Exit(1)
		}
	}
	fmt.Println("computed", calls)
}
