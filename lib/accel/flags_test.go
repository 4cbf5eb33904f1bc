//go:build cgo && (linux || darwin)

package accel

import (
	"os"
	"testing"
)

// TestSetFlags: the flag is added once, for CPUs, and what the user says stays.
func TestSetFlags(t *testing.T) {
	for name, c := range map[string]struct{ path, flags, want string }{
		"none":          {"/p/pjrt_cpu.so", "", fewerKernels},
		"others":        {"/p/xla_cpu_pjrt.so", "--xla_dump_to=/d", "--xla_dump_to=/d " + fewerKernels},
		"already there": {"/p/pjrt_cpu.so", fewerKernels, fewerKernels},
		"own passes":    {"/p/pjrt_cpu.so", "--xla_disable_hlo_passes=cse", "--xla_disable_hlo_passes=cse"},
		"a file":        {"/p/pjrt_cpu.so", "/etc/flags", "/etc/flags"},
		"CUDA":          {"/p/pjrt_cuda.so", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("XLA_FLAGS", c.flags)
			setFlags(c.path)
			if got := os.Getenv("XLA_FLAGS"); got != c.want {
				t.Errorf("XLA_FLAGS is %q, want %q", got, c.want)
			}
		})
	}
}
