//go:build !linux

package bench

import (
	"os"
	"syscall"
)

// peakOf returns the most memory that a process had resident so far, in MiB; 0 where that cannot be
// told. macOS tells it of the process itself alone.
func peakOf(pid int) float64 {
	var usage syscall.Rusage
	if pid != os.Getpid() || syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return float64(usage.Maxrss) / (1 << 20) // macOS counts bytes
}
