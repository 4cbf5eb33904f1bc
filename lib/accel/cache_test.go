//go:build cgo && (linux || darwin)

package accel_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tokenfuse/lib/accel"
)

// TestSameQuestionOnly: a process that has the same program is answered, and one that differs in
// anything that code depends on is not.
func TestSameQuestionOnly(t *testing.T) {
	fake := newFake(t)
	flags := filepath.Join(t.TempDir(), "flags")
	writeFile(t, flags, "--one")

	for _, c := range []struct {
		name, task string
		variables  []string
		hits       int
	}{
		{"first", "compile", nil, 0},
		{"again", "compile", nil, 1},
		{"a variable of no matter", "compile", []string{"EDITOR=ed", "TF_CPP_MIN_LOG_LEVEL=2"}, 1},
		{"another program", "another", nil, 0},
		{"another program again", "another", nil, 1},
		{"another compile option", "assigned", nil, 0},
		{"another version of the API", "compile", []string{"FAKE_MINOR=101"}, 0},
		{"another platform", "compile", []string{"FAKE_PLATFORM=other"}, 0},
		{"another version of the platform", "compile", []string{"FAKE_RELEASE=2"}, 0},
		{"another kind of device", "compile", []string{"FAKE_KIND=slide rule"}, 0},
		{"more devices", "compile", []string{"FAKE_DEVICES=3"}, 0},
		{"fewer devices", "compile", []string{"FAKE_DEVICES=1"}, 0},
		{"XLA's flags", "compile", []string{"XLA_FLAGS=--xla_cpu_enable_fast_math"}, 0},
		{"XLA's flags again", "compile", []string{"XLA_FLAGS=--xla_cpu_enable_fast_math"}, 1},
		{"a file of flags", "compile", []string{"XLA_FLAGS=" + flags}, 0},
		{"a file of flags again", "compile", []string{"XLA_FLAGS=" + flags}, 1},
		{"oneDNN's processors", "compile", []string{"ONEDNN_MAX_CPU_ISA=AVX2"}, 0},
		{"XLA's threads", "compile", []string{"NPROC=1"}, 0},
		{"first once more", "compile", nil, 1},
	} {
		got, compiled := fake.run(t, c.task, c.variables...)
		if got.Hits != c.hits || got.Misses != 1-c.hits || compiled != (c.hits == 0) {
			t.Errorf("%s: %+v, compiled: %v; want %d hits", c.name, got, compiled, c.hits)
		}
		plain, _ := fake.run(t, c.task, append(c.variables, accel.CacheVariable+"=off")...)
		if got.Result != plain.Result || plain.Hits+plain.Misses > 0 {
			t.Errorf("%s: %q with the cache, %+v without", c.name, got.Result, plain)
		}
	}

	writeFile(t, flags, "--two")
	if got, compiled := fake.run(t, "compile", "XLA_FLAGS="+flags); got.Hits > 0 || !compiled {
		t.Errorf("a file of other flags: %+v", got)
	}
}

// TestPluginReplaced: an entry belongs to the content of a plugin, not to its path, size or time.
func TestPluginReplaced(t *testing.T) {
	fake := newFake(t)
	info, err := os.Stat(fake.plugin)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := fake.run(t, "compile")
	fakePlugin(t, fake.plugin, "we") // as long as "me"
	if err := os.Chtimes(fake.plugin, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if now, err := os.Stat(fake.plugin); err != nil || now.Size() != info.Size() || !now.ModTime().Equal(info.ModTime()) {
		t.Fatalf("the other plugin differs to the eye: %v, %v", now, err)
	}
	second, compiled := fake.run(t, "compile")
	if second.Hits > 0 || !compiled || second.Result == first.Result || !strings.Contains(second.Result, "we") {
		t.Errorf("another plugin at the same place: %+v after %+v", second, first)
	}
	elsewhere := fake
	elsewhere.plugin = filepath.Join(t.TempDir(), "moved.so")
	content, err := os.ReadFile(fake.plugin)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, elsewhere.plugin, string(content))
	if got, _ := elsewhere.run(t, "compile"); got.Hits != 1 {
		t.Errorf("the same plugin at another place: %+v", got)
	}
}

// TestStepsAside: what is not as expected is compiled as if there were no cache.
func TestStepsAside(t *testing.T) {
	for _, c := range []struct{ name, task, variable string }{
		{"the cache is off", "compile", accel.CacheVariable + "=off"},
		{"another major version", "compile", "FAKE_MAJOR=1"},
		{"an old minor version", "compile", "FAKE_MINOR=70"},
		{"a short table", "compile", "FAKE_SHORT=1"},
		{"a table with a hole", "compile", "FAKE_HOLE=1"},
		{"dumps", "compile", "XLA_FLAGS=--xla_dump_to=/tmp/dumps"},
		{"a file of flags that is not there", "compile", "XLA_FLAGS=/nowhere/flags"},
		{"flags changed after loading", "flags changed", ""},
	} {
		fake := newFake(t)
		for range 2 {
			got, compiled := fake.run(t, c.task, c.variable)
			if got.Hits != 0 || got.Misses != 0 || !compiled || got.Result == "" {
				t.Errorf("%s: %+v, compiled: %v", c.name, got, compiled)
			}
			if _, err := os.Stat(fake.cache); !os.IsNotExist(err) {
				t.Errorf("%s: left a cache behind", c.name)
			}
		}
	}
}

// TestBackends: however a configuration names a plugin, and whatever others there are in the process,
// its programs go through the cache, but for those of more plugins than it has places for.
func TestBackends(t *testing.T) {
	fake := newFake(t)
	dir := filepath.Dir(fake.plugin)
	content, err := os.ReadFile(fake.plugin)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"two.so", "three.so", "four.so", "five.so", "pjrt_c_api_fake_plugin.so"} {
		writeFile(t, filepath.Join(dir, name), string(content))
	}
	path := "PJRT_PLUGIN_LIBRARY_PATH=" + dir
	fake.run(t, "compile", path)
	for name, c := range map[string]struct {
		configs      string
		hits, misses int
	}{
		"one":             {"xla:DIR/two.so", 1, 0},
		"twice":           {"xla:DIR/two.so xla:DIR/two.so", 2, 0},
		"with options":    {"xla:DIR/two.so,noshared_buffers hlo:DIR/two.so,tf32=false", 2, 0},
		"by its name":     {"xla:fake", 1, 0},
		"beside another":  {"xla:DIR/two.so xla:DIR/three.so", 2, 0},
		"more than there": {"xla:DIR/two.so xla:DIR/three.so xla:DIR/four.so xla:DIR/five.so xla:fake", 4, 0},
	} {
		got, _ := fake.run(t, "backends", path, "CONFIGS="+strings.ReplaceAll(c.configs, "DIR", dir))
		if got.Hits != c.hits || got.Misses != c.misses {
			t.Errorf("%s: %+v, want %d hits and %d misses", name, got, c.hits, c.misses)
		}
	}
}

// TestOneSided: a plugin that does not serialise, or takes nothing back, compiles each time.
func TestOneSided(t *testing.T) {
	for _, variable := range []string{"FAKE_MUTE=1", "FAKE_DEAF=1"} {
		fake := newFake(t)
		for range 3 {
			if got, compiled := fake.run(t, "compile", variable); got.Hits != 0 || got.Misses != 1 || !compiled || got.Result == "" {
				t.Errorf("%s: %+v, compiled: %v", variable, got, compiled)
			}
		}
	}
}

// TestDamage: an entry that is not whole is compiled anew, and replaced.
func TestDamage(t *testing.T) {
	fake := newFake(t)
	whole, _ := fake.run(t, "compile")
	path := largestFile(t, fake.cache)
	entry, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string]string{
		"cut":    string(entry[:len(entry)-1]),
		"empty":  "",
		"longer": string(entry) + "\x00",
		"wrong":  strings.Replace(string(entry), "made of", "Made of", 1),
	} {
		writeFile(t, path, damaged)
		if got, compiled := fake.run(t, "compile"); got.Hits != 0 || !compiled || got.Result != whole.Result {
			t.Errorf("%s: %+v, compiled: %v", name, got, compiled)
		}
		if got, compiled := fake.run(t, "compile"); got.Hits != 1 || compiled || got.Result != whole.Result {
			t.Errorf("after %s: %+v, compiled: %v", name, got, compiled)
		}
	}
}

// TestNoDisk: where nothing can be written programs are compiled, and the user is told nothing.
func TestNoDisk(t *testing.T) {
	fake := newFake(t)
	for name, place := range map[string]string{"a file": fake.plugin, "below a file": fake.plugin + "/cache", "below a device": "/dev/null/cache"} {
		fake.cache = place
		for range 2 {
			if got, compiled := fake.run(t, "compile"); got.Hits != 0 || got.Misses != 1 || !compiled || got.Result == "" {
				t.Errorf("%s: %+v, compiled: %v", name, got, compiled)
			}
		}
	}
}

// TestReadOnly: a cache that cannot be written still answers.
func TestReadOnly(t *testing.T) {
	fake := newFake(t)
	whole, _ := fake.run(t, "compile")
	if err := os.Chmod(fake.cache, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(fake.cache, 0o700)
	if got, compiled := fake.run(t, "compile"); got.Hits != 1 || compiled || got.Result != whole.Result {
		t.Errorf("%+v, compiled: %v", got, compiled)
	}
	if got, compiled := fake.run(t, "another"); got.Misses != 1 || !compiled {
		t.Errorf("another: %+v, compiled: %v", got, compiled)
	}
}

// TestSixteenProcesses share one cache from nothing.
func TestSixteenProcesses(t *testing.T) {
	fake := newFake(t)
	want := map[string]string{}
	for _, task := range []string{"compile", "another"} {
		plain, _ := fake.run(t, task, accel.CacheVariable+"=off")
		want[task] = plain.Result
	}
	var running sync.WaitGroup
	for i := range 16 {
		running.Go(func() {
			task := []string{"compile", "another"}[i%2]
			if got, _ := fake.run(t, task); got.Hits+got.Misses != 1 || got.Result != want[task] {
				t.Errorf("process %d: %+v, want %q", i, got, want[task])
			}
		})
	}
	running.Wait()
	for task := range want {
		if got, compiled := fake.run(t, task); got.Hits != 1 || compiled || got.Result != want[task] {
			t.Errorf("afterwards: %+v, compiled: %v", got, compiled)
		}
	}
	t.Setenv(accel.CacheVariable, fake.cache)
	if report := accel.Cache(); report.Entries < 2 || report.Hits+report.Misses != 18 || report.Hits < 2 {
		t.Errorf("%+v, want 18 hits and misses", report)
	}
	for _, name := range fileNames(t, fake.cache) {
		if strings.HasPrefix(name, "new-") {
			t.Errorf("%s is left", name)
		}
	}
}

// TestClearCache: emptied, it answers nothing and counts from 0; what is not its own stays.
func TestClearCache(t *testing.T) {
	fake := newFake(t)
	t.Setenv(accel.CacheVariable, fake.cache)
	if err := accel.ClearCache(); err != nil {
		t.Errorf("before there is one: %v", err)
	}
	if report := accel.Cache(); report.Dir != fake.cache || report.Entries != 0 || report.Note != "" {
		t.Errorf("before there is one: %+v", report)
	}
	fake.run(t, "compile")
	fake.run(t, "compile")
	if report := accel.Cache(); report.Entries < 1 || report.Bytes == 0 || report.Hits != 1 || report.Misses != 1 || report.Limit != 1<<30 {
		t.Errorf("filled: %+v", report)
	}
	writeFile(t, filepath.Join(fake.cache, "notes"), "mine")
	if err := accel.ClearCache(); err != nil {
		t.Fatal(err)
	}
	if report := accel.Cache(); report != (accel.CacheReport{Dir: fake.cache, Limit: 1 << 30}) {
		t.Errorf("emptied: %+v", report)
	}
	if _, err := os.Stat(filepath.Join(fake.cache, "notes")); err != nil {
		t.Errorf("a file that is not the cache's: %v", err)
	}
	if got, compiled := fake.run(t, "compile"); got.Hits != 0 || !compiled {
		t.Errorf("after it was emptied: %+v", got)
	}
	t.Setenv(accel.CacheVariable, "off")
	if report := accel.Cache(); report.Dir != "" || report.Note == "" {
		t.Errorf("off: %+v", report)
	}
	if err := accel.ClearCache(); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("off, and emptied: %v", err)
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
}

func fileNames(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		names = append(names, file.Name())
	}
	return names
}

// largestFile returns the path of the largest file in dir.
func largestFile(t *testing.T, dir string) (path string) {
	t.Helper()
	var most int64
	for _, name := range fileNames(t, dir) {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Size() > most {
			path, most = filepath.Join(dir, name), info.Size()
		}
	}
	return path
}
