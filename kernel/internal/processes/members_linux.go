package processes

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// Attributes put a process into a session of its own, so that a Ctrl-C in the terminal is the
// command's alone, and ask Linux to end it when the thread that started it ends.
func Attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
}

// members returns the processes that carry the folder in their environment, and those that descend
// from the leader or are in its session, but for itself. Zombies do not count.
func members(leader int, folder string) ([]int, error) {
	directories, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	mark := []byte(FolderVariable + "=" + folder + "\x00")
	children := map[int][]int{}
	found := map[int]bool{}
	for _, directory := range directories {
		pid, err := strconv.Atoi(filepath.Base(directory))
		if err != nil {
			continue
		}
		parent, session, ok := standing(directory)
		if !ok {
			continue
		}
		children[parent] = append(children[parent], pid)
		environment, err := os.ReadFile(filepath.Join(directory, "environ")) // fails for other users' processes
		if leader != 0 && session == leader || err == nil && bytes.Contains(append(environment, 0), mark) {
			found[pid] = true
		}
	}
	if leader != 0 {
		for queue := []int{leader}; len(queue) > 0; queue = queue[1:] {
			for _, child := range children[queue[0]] {
				found[child] = true
				queue = append(queue, child)
			}
		}
	}
	delete(found, leader)
	delete(found, os.Getpid())
	return slices.Collect(maps.Keys(found)), nil
}

// standing reads parent and session out of /proc/N/stat, "pid (name) state parent group session ...";
// the name may hold anything. It is false for a process that has ended.
func standing(directory string) (parent, session int, ok bool) {
	stat, err := os.ReadFile(filepath.Join(directory, "stat"))
	if err != nil {
		return 0, 0, false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 4 || string(fields[0]) == "Z" || string(fields[0]) == "X" {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0, 0, false
	}
	session, err = strconv.Atoi(string(fields[3]))
	return parent, session, err == nil
}
