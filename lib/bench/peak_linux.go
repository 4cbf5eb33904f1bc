package bench

import (
	"bytes"
	"fmt"
	"os"
)

// peakOf returns the most memory that a process had resident so far, in MiB; 0 where that cannot be
// told. It is the kernel's VmHWM. (The maxrss of getrusage would not do: of a process started by
// another it is at least what that one had.)
func peakOf(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			var kibibytes float64
			if _, err := fmt.Sscan(string(rest), &kibibytes); err != nil {
				return 0
			}
			return kibibytes / 1024
		}
	}
	return 0
}
