package bench

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"tokenfuse/lib/result"
)

// TestMachine: what rows say of the machine, and that they say nothing of its folders.
func TestMachine(t *testing.T) {
	m := Machine("go", goBackend(t))
	if m.System != runtime.GOOS+"/"+runtime.GOARCH || m.Cores < 1 || m.Plugin != "" || m.Device != "" {
		t.Errorf("%+v", m)
	}
	if bare := m.Bare(); bare != (result.Machine{CPU: m.CPU, Cores: m.Cores, System: m.System}) {
		t.Errorf("bare: %+v", bare)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "pjrt_cpu.so")
	for config, want := range map[string]string{
		"xla:" + path:                 "pjrt_cpu.so (wheel 1.2)",
		"xla:" + path + ",tf32=false": "pjrt_cpu.so (wheel 1.2), tf32=false",
		"xla:cuda":                    "cuda",
		"go":                          "",
	} {
		text, _ := json.Marshal(map[string]string{"version": "wheel 1.2"})
		if err := os.WriteFile(path+".json", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := plugin(config); got != want {
			t.Errorf("%s: %q, want %q", config, got, want)
		}
	}
}
