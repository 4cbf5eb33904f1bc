//go:build unix

package processes

import (
	"io"
	"os/exec"
	"syscall"
)

// guard is a process that outlives the command when that is killed without a chance to clean up, and
// then does so for it.
type guard struct {
	command *exec.Cmd
	line    io.WriteCloser
}

// guardScript waits for a line. When its input ends without one, the command is gone: the script ends
// every process that carries the folder in its environment (on Linux) and removes the folder, until
// nothing is left of either: one of them may just have been writing, or starting another.
const guardScript = `trap '' HUP INT TERM
read -r line && exit
round=0
while [ $round -lt 50 ]; do
	found=
	for file in $(grep -lzxF "$1=$2" /proc/[0-9]*/environ 2>/dev/null); do
		pid=${file#/proc/}
		found="$found ${pid%/environ}"
	done
	[ -z "$found" ] || kill -STOP $found 2>/dev/null
	[ -z "$found" ] || kill -KILL $found 2>/dev/null
	rm -rf "$2"
	[ -z "$found" ] && [ ! -e "$2" ] && [ $round -gt 1 ] && exit
	round=$((round + 1))
	sleep 0.2
done`

// startGuard starts the guard of a family's folder. A machine without sh has none.
func startGuard(folder string) *guard {
	g := &guard{command: exec.Command("sh", "-c", guardScript, "sh", FolderVariable, folder)}
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
