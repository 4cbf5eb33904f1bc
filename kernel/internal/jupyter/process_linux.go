package jupyter

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// attributes put the kernel into a session of its own, so that a Ctrl-C in the terminal is the
// runner's alone, and ask Linux to end it when the runner dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
}

// family returns the processes that belong to a kernel, except itself: its descendants, and those
// that carry its folder in their environment. Zombies do not count. With kernel 0, which stands for
// one that has ended, only the latter.
func family(kernel int, folder string) ([]int, error) {
	directories, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	mark := []byte(folderVariable + "=" + folder + "\x00")
	children := map[int][]int{}
	members := map[int]bool{}
	for _, directory := range directories {
		pid, err := strconv.Atoi(filepath.Base(directory))
		if err != nil {
			continue
		}
		parent, ok := parentOf(directory)
		if !ok {
			continue
		}
		children[parent] = append(children[parent], pid)
		environment, err := os.ReadFile(filepath.Join(directory, "environ")) // fails for other users' processes
		if err == nil && bytes.Contains(append(environment, 0), mark) {
			members[pid] = true
		}
	}
	if kernel == 0 {
		return slices.Collect(maps.Keys(members)), nil
	}
	for queue := []int{kernel}; len(queue) > 0; queue = queue[1:] {
		for _, child := range children[queue[0]] {
			members[child] = true
			queue = append(queue, child)
		}
	}
	delete(members, kernel)
	return slices.Collect(maps.Keys(members)), nil
}

// parentOf reads the parent out of /proc/N/stat, "pid (name) state parent ..."; the name may hold
// anything. It is false for a process that has ended.
func parentOf(directory string) (int, bool) {
	stat, err := os.ReadFile(filepath.Join(directory, "stat"))
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 || string(fields[0]) == "Z" || string(fields[0]) == "X" {
		return 0, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return parent, err == nil
}
