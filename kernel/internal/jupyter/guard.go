//go:build unix

package jupyter

import (
	"io"
	"os/exec"
	"syscall"
)

// guard is a process that outlives the runner when that is killed without a chance to clean up, and
// then does so for it.
type guard struct {
	command *exec.Cmd
	line    io.WriteCloser
}

// guardScript waits for a line. When its input ends without one, the runner is gone: the script ends
// every process that carries the folder in its environment (on Linux) and removes the folder, twice,
// for one of them may just have been writing.
const guardScript = `trap '' HUP INT TERM
read -r line && exit
for round in 1 2; do
	for file in $(grep -lzxF "$1=$2" /proc/[0-9]*/environ 2>/dev/null); do
		pid=${file#/proc/}
		kill -9 "${pid%/environ}" 2>/dev/null
	done
	rm -rf "$2"
	sleep 1
done`

// startGuard starts the guard of a kernel's folder. A machine without sh has none.
func startGuard(folder string) *guard {
	g := &guard{command: exec.Command("sh", "-c", guardScript, "sh", folderVariable, folder)}
	g.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	g.command.Dir = "/"
	var err error
	if g.line, err = g.command.StdinPipe(); err != nil {
		return nil
	}
	if err := g.command.Start(); err != nil {
		return nil
	}
	return g
}

// dismiss ends the guard, for which there is nothing left to do.
func (g *guard) dismiss() {
	if g == nil {
		return
	}
	_, _ = g.line.Write([]byte("done\n")) // whether it hears that or the end, it ends
	_ = g.line.Close()
	_ = g.command.Wait()
}
