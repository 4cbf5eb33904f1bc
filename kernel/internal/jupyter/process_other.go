//go:build unix && !linux

package jupyter

import (
	"bufio"
	"bytes"
	"fmt"
	"os/exec"
	"syscall"
)

// attributes put the kernel into a session of its own, so that a Ctrl-C in the terminal is the
// runner's alone.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// family returns the descendants of a kernel; none with kernel 0, which stands for one that has ended.
func family(kernel int, _ string) ([]int, error) {
	if kernel == 0 {
		return nil, nil
	}
	list, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, fmt.Errorf("jupyter: the kernel's children cannot be listed: %w", err)
	}
	children := map[int][]int{}
	for lines := bufio.NewScanner(bytes.NewReader(list)); lines.Scan(); {
		var pid, parent int
		if _, err := fmt.Sscan(lines.Text(), &pid, &parent); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	var members []int
	for queue := []int{kernel}; len(queue) > 0; queue = queue[1:] {
		members = append(members, children[queue[0]]...)
		queue = append(queue, children[queue[0]]...)
	}
	return members, nil
}
