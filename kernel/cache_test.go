package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tokenfuse/kernel/internal/provision"
	"tokenfuse/lib/accel"
)

// TestCompileCache: the second command loads what the first compiled, doctor tells, setup empties it.
func TestCompileCache(t *testing.T) {
	dir := t.TempDir()
	place, config := filepath.Join(dir, "cache"), filepath.Join(dir, "step.json")
	env := []string{accel.CacheVariable + "=" + place}
	must(t, os.WriteFile(config, []byte(`{"method":"tome","r":5,"protected":0}`), 0o600))
	golden := filepath.Join("..", "lib", "fusion", "testdata", "tome-step-nocls.safetensors")
	var outputs [2]string
	for i := range outputs {
		out := filepath.Join(dir, "out.safetensors")
		if got := kernel(t, env, "fuse", "--config", config, "--input", golden, "--output", out); got.code != 0 || got.stderr != "" {
			t.Fatalf("exit %d, %q", got.code, got.stderr)
		}
		content, err := os.ReadFile(out)
		must(t, err)
		outputs[i] = string(content)
	}
	if outputs[0] != outputs[1] {
		t.Error("the second run computes something else")
	}

	report := doctor(t, env)
	if report.Dir != place || report.Limit == 0 || report.Hits != report.Misses {
		t.Errorf("doctor says %+v", report)
	}
	if strings.HasPrefix(accel.Choice(), "xla:") && (report.Hits == 0 || report.Entries == 0 || report.Bytes == 0) {
		t.Errorf("doctor says %+v, after one graph was compiled and loaded", report)
	}
	if got := kernel(t, env, "doctor"); !strings.Contains(got.stdout, "compile cache: "+place) {
		t.Errorf("doctor says %q", got.stdout)
	}

	for range 2 {
		if got := kernel(t, env, "setup", "--clear-cache"); got.code != 0 || !strings.Contains(got.stdout, place+" is empty") {
			t.Errorf("exit %d, %q, %q", got.code, got.stdout, got.stderr)
		}
		if report := doctor(t, env); report.Entries != 0 || report.Bytes != 0 || report.Hits != 0 || report.Misses != 0 {
			t.Errorf("doctor says of an empty cache %+v", report)
		}
	}

	off := []string{accel.CacheVariable + "=off"}
	if got := kernel(t, off, "doctor"); !strings.Contains(got.stdout, "compile cache: none ("+accel.CacheVariable+" is off)") {
		t.Errorf("doctor says %q", got.stdout)
	}
	if got := kernel(t, off, "setup", "--clear-cache"); got.code != 1 || strings.Count(got.stderr, "\n") != 1 {
		t.Errorf("exit %d, %q", got.code, got.stderr)
	}
	if got := kernel(t, env, "setup", "--clear-cache", "--cuda"); got.code != 2 {
		t.Errorf("two things at once: exit %d, %q", got.code, got.stderr)
	}
}

// doctor returns what doctor --json says of the compile cache.
func doctor(t *testing.T, env []string) accel.CacheReport {
	t.Helper()
	got := kernel(t, env, "doctor", "--json")
	var report provision.Report
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil {
		t.Fatalf("exit %d: %v: %s", got.code, err, got.stdout)
	}
	return report.CompileCache
}
