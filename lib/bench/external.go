package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// External is a command that runs batches of its own, such as another implementation of a method, timed
// in turn with Tokenfuse's cases. It is started once, by `sh -c`, and speaks lines of text:
//
//	command -> "ready"   when it has loaded, compiled and warmed up whatever it needs
//	bench   -> "run"     each time a batch is wanted
//	command -> "done"    when the results of that batch are in the machine's memory
//
// Lines before "ready" are passed over; any other line where "done" is due is an error. The end of its
// standard input asks it to end. What it writes to standard error is shown when it fails.
type External struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan string // of its standard output; closed at the end of it
	stderr *tail
	ctx    context.Context
	cancel context.CancelFunc
	ended  func() error // waits for the command's end
}

// closeGrace is how long a command may take to end once it is asked to.
const closeGrace = 5 * time.Second

// StartExternal starts a command and waits until it is ready. When the context ends, the command and
// what it started are killed.
func StartExternal(ctx context.Context, name, command string) (*External, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	e := &External{name: name, cmd: cmd, lines: make(chan string), stderr: &tail{}, ctx: ctx, cancel: cancel}
	cmd.Stderr = e.stderr
	cmd.WaitDelay = closeGrace
	stdin, err := cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	e.stdin = stdin
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("external %s: %w", name, err)
	}
	read := make(chan struct{})
	e.ended = sync.OnceValue(func() error {
		<-read // Wait closes the pipe, so it must come after the last line
		return cmd.Wait()
	})
	go func() {
		defer close(read)
		defer close(e.lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			select {
			case e.lines <- strings.TrimSpace(scanner.Text()):
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		line, err := e.next("ready")
		if err != nil {
			_ = e.Close()
			return nil, err
		}
		if line == "ready" {
			return e, nil
		}
	}
}

// Run asks for one batch and waits until it is done.
func (e *External) Run() (time.Duration, error) {
	began := time.Now()
	// A command that has ended is told of below, with its reason.
	_, _ = io.WriteString(e.stdin, "run\n")
	line, err := e.next("done")
	if err != nil {
		return 0, err
	}
	if line != "done" {
		return 0, fmt.Errorf("external %s answered %q to \"run\", want \"done\"", e.name, line)
	}
	return time.Since(began), nil
}

// next returns the command's next line; an error says why the one that is due does not come.
func (e *External) next(due string) (string, error) {
	select {
	case line, ok := <-e.lines:
		if ok {
			return line, nil
		}
		if err := e.ctx.Err(); err != nil {
			return "", err
		}
		reason := "exit status 0"
		if err := e.ended(); err != nil {
			reason = err.Error()
		}
		if last := e.stderr.lastLine(); last != "" {
			reason += ": " + last
		}
		return "", fmt.Errorf("external %s ended before %q: %s", e.name, due, reason)
	case <-e.ctx.Done():
		return "", e.ctx.Err()
	}
}

// PeakMebibytes is the most memory that the command had resident so far; 0 where the system does not
// say. It is that of the process which `sh -c` becomes or starts nothing beside: `exec python x.py`.
func (e *External) PeakMebibytes() float64 { return peakOf(e.cmd.Process.Pid) }

// Close ends the command: its input ends, and if it does not end by itself in a few seconds, it is
// killed with all it started.
func (e *External) Close() error {
	_ = e.stdin.Close() // may have ended by itself
	timer := time.AfterFunc(closeGrace, e.cancel)
	defer timer.Stop()
	for range e.lines { // whatever it still says
	}
	err := e.ended()
	e.cancel()
	return err
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	const most = 4096
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-most):]
	return len(p), nil
}

// lastLine returns the last line that is not blank.
func (t *tail) lastLine() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := bytes.TrimSpace(t.text)
	return string(bytes.TrimSpace(text[bytes.LastIndexByte(text, '\n')+1:]))
}
