//go:build cgo && (linux || darwin)

package accel

import (
	"os"
	"path/filepath"
	"strings"
)

// fewerKernels keeps XLA's CPU compiler from making two kernels of each reduction, one of windows of 32
// and one of what they gave. That is for precision in sums of millions, and a graph with token fusion
// has reductions by the hundred: DeiT-S under MCTF compiled in 22 s of processor time in place of 30,
// under ToMe in 14.5 in place of 22, and ran as fast (2 cores of an AMD EPYC).
const fewerKernels = "--xla_disable_hlo_passes=tree_reduction_rewriter"

// setFlags adds fewerKernels to XLA_FLAGS for a CPU plugin, before it is loaded and reads them. Passes
// that the user disables, and flags in a file, stay the user's.
func setFlags(path string) {
	flags := strings.TrimSpace(os.Getenv("XLA_FLAGS"))
	inFile := flags != "" && !strings.HasPrefix(flags, "--")
	if inFile || strings.Contains(flags, "xla_disable_hlo_passes") || !isCPU(path) {
		return
	}
	_ = os.Setenv("XLA_FLAGS", strings.TrimSpace(flags+" "+fewerKernels)) // without it compiling takes longer
}

// isCPU reports whether a plugin is for CPUs, by the name of its file.
func isCPU(path string) bool { return strings.Contains(filepath.Base(path), "cpu") }
