package compilecache

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/cpu"
)

// Machine describes the processors that code is generated for: their models, their features as the
// system and as the processor itself names them, and how many this process may use, by which XLA
// cuts its work up.
func Machine() (string, error) {
	model, err := processors()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s/%s, %d processors\n%s\n%+v %+v", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), model, cpu.X86, cpu.ARM64), nil
}

// The lines of /proc/cpuinfo that say which processor it is, on x86 and on Arm. Others change from
// moment to moment (cpu MHz) or from core to core (core id).
var cpuinfoNames = []string{
	"vendor_id", "cpu family", "model", "model name", "stepping", "flags",
	"CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features",
}

// describe returns the different processors that a /proc/cpuinfo lists, in an order of its own.
func describe(cpuinfo string) (string, error) {
	kinds := map[string]bool{}
	for processor := range strings.SplitSeq(strings.TrimSpace(cpuinfo), "\n\n") {
		var lines []string
		for line := range strings.SplitSeq(processor, "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && slices.Contains(cpuinfoNames, strings.TrimSpace(name)) {
				lines = append(lines, strings.TrimSpace(name)+":"+strings.TrimSpace(value))
			}
		}
		if len(lines) > 0 {
			kinds[strings.Join(lines, "\n")] = true
		}
	}
	if len(kinds) == 0 {
		return "", fmt.Errorf("no processor in %q", cpuinfo)
	}
	return strings.Join(slices.Sorted(maps.Keys(kinds)), "\n\n"), nil
}
