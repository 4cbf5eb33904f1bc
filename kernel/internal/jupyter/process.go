//go:build unix

package jupyter

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"tokenfuse/kernel/internal/processes"
)

// process is a kernel's process, leader of a session of its own.
type process struct {
	command *exec.Cmd
	family  *processes.Family
	output  *tail
	done    chan struct{} // closed when the process has ended
	state   string        // how it ended; set before done is closed
}

func startProcess(argv, env []string, dir string, family *processes.Family, log io.Writer) (*process, error) {
	p := &process{command: exec.Command(argv[0], argv[1:]...), family: family, output: &tail{next: log}, done: make(chan struct{})}
	p.command.Env, p.command.Dir = env, dir
	p.command.Stdout, p.command.Stderr = p.output, p.output
	p.command.SysProcAttr = processes.Attributes()
	p.command.WaitDelay = 500 * time.Millisecond // a child that holds the log open does not count
	started := make(chan error)
	go func() {
		// On Linux the kernel is told when the thread that started it ends: keep it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.command.Start()
		started <- err
		if err != nil {
			return
		}
		_ = p.command.Wait() // the state says it all
		p.state = p.command.ProcessState.String()
		close(p.done)
	}()
	return p, <-started
}

func (p *process) interrupt() error { return p.command.Process.Signal(syscall.SIGINT) }

// ended says whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// wait waits until the process has ended, or the time is over.
func (p *process) wait(limit time.Duration) {
	select {
	case <-p.done:
	case <-time.After(limit):
	}
}

// kill ends the kernel and everything it has started. Children go first, while their parent is there
// to collect them, and once more afterwards: one may have been born meanwhile.
func (p *process) kill() error {
	if p.command.Process == nil {
		return nil // it never started
	}
	leader := p.command.Process.Pid
	if p.ended() {
		leader = 0 // the number may be another's by now
	}
	err := p.family.Kill(leader)
	if !p.ended() {
		_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL) // it may just have ended
		p.wait(5 * time.Second)
	}
	return errors.Join(err, p.family.Kill(0))
}

// tail keeps the last lines that are written to it, and passes all on.
type tail struct {
	next  io.Writer
	mu    sync.Mutex
	bytes []byte
}

// tailSize is how much of a kernel's log is remembered.
const tailSize = 4096

func (t *tail) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes = append(t.bytes, data...)
	t.bytes = bytes.Clone(t.bytes[max(0, len(t.bytes)-tailSize):])
	if t.next != nil {
		_, _ = t.next.Write(data) // the log is for reading along; losing it must not stop the kernel
	}
	return len(data), nil
}

// forget empties the memory.
func (t *tail) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes = nil
}

// chatter matches the lines that GoNB logs about its ordinary work (klog's severities I and W), and
// colors.
var (
	chatter = regexp.MustCompile(`^[IW]\d{4} \d\d:\d\d:\d\d`)
	colors  = regexp.MustCompile("\x1b\\[[0-9;]*m")
)

// String returns the last lines that say something.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for line := range strings.Lines(colors.ReplaceAllString(string(t.bytes), "")) {
		if line = strings.TrimRight(line, "\r\n"); line != "" && !chatter.MatchString(line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
