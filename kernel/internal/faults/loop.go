//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// loop is the trials of a verb.
type loop struct {
	verb      verb
	program   string // the command, built
	dir       string // all that the verb reads and writes
	temporary string // its TMPDIR
	random    *rand.Rand
	takes     time.Duration // how long it takes when it is left alone
	trials    int
	kills     int // since it last ran to the end

	sent             map[syscall.Signal]int
	early, completed int
	losses           []string
}

// mark is set in the environment of the command, and so of all that it starts.
const mark = "TOKENFUSE_FAULTS"

// killsToTheEnd is how often a command is killed before it is left to run to the end.
const killsToTheEnd = 4

func newLoop(v verb, program, dir string, seed uint64) (*loop, error) {
	l := &loop{
		verb: v, program: program, dir: dir, temporary: filepath.Join(dir, "tmp"),
		random: rand.New(rand.NewPCG(seed, uint64(len(dir)))), sent: map[syscall.Signal]int{},
	}
	if err := os.MkdirAll(l.temporary, 0o755); err != nil {
		return nil, err
	}
	return l, v.prepare(dir)
}

// command is the command with arguments, not yet started.
func (l *loop) command(ctx context.Context, said *bytes.Buffer, arguments []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.program, arguments...)
	cmd.Env = append(os.Environ(), "TMPDIR="+l.temporary, mark+"="+l.dir, "GOMLX_BACKEND=go",
		"JUPYTER_DATA_DIR="+filepath.Join(l.dir, "jupyter"), "JUPYTER_CONFIG_DIR="+filepath.Join(l.dir, "jupyter"))
	cmd.Env = append(cmd.Env, l.verb.environment(l.dir)...)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.WaitDelay = time.Second // a process left running that holds the output does not count here
	return cmd
}

// reference lets the command run to the end, to know how long that takes and what comes of it.
func (l *loop) reference(ctx context.Context) error {
	if l.verb.first != nil {
		var said bytes.Buffer
		if err := l.command(ctx, &said, l.verb.first(l.dir)).Run(); err != nil {
			return fmt.Errorf("%w: %s", err, lastLine(said.String()))
		}
	}
	for range 2 { // the first one fills caches
		begin := time.Now()
		if err := l.toTheEnd(ctx); err != nil {
			return err
		}
		l.takes = time.Since(begin)
		if err := l.verb.reset(l.dir); err != nil {
			return err
		}
	}
	return nil
}

// toTheEnd runs the command until it is done, or serves, and checks what comes of it.
func (l *loop) toTheEnd(ctx context.Context) error {
	var said bytes.Buffer
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := l.command(ctx, &said, l.verb.arguments(l.dir))
	err := cmd.Start()
	if err == nil && l.verb.serves != nil {
		if err = l.verb.serves(ctx, l.dir); err == nil {
			err = cmd.Process.Signal(syscall.SIGINT)
		}
		_ = cmd.Wait() // 130
	} else if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, lastLine(said.String()))
	}
	if loss := l.leftRunning(); loss != "" {
		return fmt.Errorf("%s", loss)
	}
	if left := entries(l.temporary); len(left) > 0 {
		return fmt.Errorf("left in the temporary folder: %q", left)
	}
	return l.verb.complete(l.dir)
}

// trial starts the command, sends it the signal at a random moment, and looks for losses.
func (l *loop) trial(ctx context.Context, signal syscall.Signal) error {
	var said bytes.Buffer
	cmd := l.command(ctx, &said, l.verb.arguments(l.dir))
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its state says it
		close(ended)
	}()
	moment := time.Duration(l.random.Float64() * 1.05 * float64(l.takes))
	lose := func(format string, args ...any) {
		l.losses = append(l.losses, fmt.Sprintf("%v after %v: ", signal, moment.Round(time.Millisecond))+fmt.Sprintf(format, args...))
	}
	if l.verb.serves != nil {
		serving, stop := context.WithCancel(ctx)
		defer stop()
		go func() { _ = l.verb.serves(serving, l.dir) }() // busy with what it serves, if it gets that far
	}
	select {
	case <-ended:
		l.early++
		if !cmd.ProcessState.Success() {
			lose("ended before it with %v: %s", cmd.ProcessState, lastLine(said.String()))
		}
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(moment):
		_ = cmd.Process.Signal(signal) // it may just have ended
		l.sent[signal]++
		select {
		case <-ended:
		case <-time.After(time.Minute):
			lose("does not end")
			_ = cmd.Process.Kill()
			<-ended
		}
		if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() && status.ExitStatus() != 130 && status.ExitStatus() != 0 {
			lose("exit %d, want 130: %s", status.ExitStatus(), lastLine(said.String()))
		}
	}
	if loss := l.leftRunning(); loss != "" {
		lose("%s", loss)
	}
	if err := l.verb.whole(l.dir); err != nil {
		lose("%v", err)
	}
	if l.kills++; l.kills >= killsToTheEnd {
		l.finish(ctx)
	}
	return nil
}

// finish gives the command again, as its user would, to go on to the end.
func (l *loop) finish(ctx context.Context) {
	if l.kills == 0 || ctx.Err() != nil {
		return
	}
	l.kills = 0
	l.completed++
	err := l.toTheEnd(ctx)
	if err == nil {
		err = l.verb.reset(l.dir)
	}
	if err != nil {
		l.losses = append(l.losses, fmt.Sprintf("started again: %v", err))
	}
}

// patience is how long what a killed command had started may take to end.
const patience = 15 * time.Second

// leftRunning says what of the command still runs, and ends it.
func (l *loop) leftRunning() string {
	var found map[int]string
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(100 * time.Millisecond) {
		if found = carrying(mark + "=" + l.dir); len(found) == 0 {
			return ""
		}
	}
	var names []string
	for pid, name := range found {
		names = append(names, name)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return fmt.Sprintf("left running: %q", names)
}

// carrying returns the processes with a variable in their environment, zombies aside, with their
// command lines.
func carrying(variable string) map[int]string {
	found := map[int]string{}
	paths, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range paths {
		environment, err := os.ReadFile(path) // empty for zombies
		if err != nil || !bytes.Contains(append(environment, 0), []byte(variable+"\x00")) {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(path, "/proc/%d/", &pid); err == nil {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			found[pid] = strings.ReplaceAll(string(line), "\x00", " ")
		}
	}
	return found
}

func entries(dir string) (names []string) {
	found, _ := os.ReadDir(dir)
	for _, entry := range found {
		names = append(names, entry.Name())
	}
	return names
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
