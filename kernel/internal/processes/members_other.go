//go:build unix && !linux

package processes

import (
	"bufio"
	"bytes"
	"fmt"
	"os/exec"
	"syscall"
)

// Attributes put a process into a session of its own, so that a Ctrl-C in the terminal is the
// command's alone.
func Attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// members returns the descendants of the leader; other processes' environments cannot be read here.
func members(leader int, _ string) ([]int, error) {
	if leader == 0 {
		return nil, nil
	}
	list, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, fmt.Errorf("the children of process %d cannot be listed: %w", leader, err)
	}
	children := map[int][]int{}
	for lines := bufio.NewScanner(bytes.NewReader(list)); lines.Scan(); {
		var pid, parent int
		if _, err := fmt.Sscan(lines.Text(), &pid, &parent); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	var found []int
	for queue := []int{leader}; len(queue) > 0; queue = queue[1:] {
		found = append(found, children[queue[0]]...)
		queue = append(queue, children[queue[0]]...)
	}
	return found, nil
}
