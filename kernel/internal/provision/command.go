package provision

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// command runs a program to its end and returns what it wrote to standard output. Its error is one
// line that ends with the program's last line of complaint. When ctx is cancelled the program ends
// with all that it started.
func command(ctx context.Context, dir string, env []string, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		said := strings.TrimSpace(stderr.String())
		if said == "" {
			said = strings.TrimSpace(stdout.String())
		}
		return "", &complaint{program, said, err}
	}
	return stdout.String(), nil
}

// complaint is a program's failure, with all that it said of it.
type complaint struct {
	program, said string
	err           error
}

func (c *complaint) Error() string {
	if c.said == "" {
		return fmt.Sprintf("%s: %v", c.program, c.err)
	}
	return fmt.Sprintf("%s: %v: %s", c.program, c.err, c.said[strings.LastIndexByte(c.said, '\n')+1:])
}

func (c *complaint) Unwrap() error { return c.err }

// work runs a program of an installation, as command does. It ends with this process even where that
// is killed, and its temporary files go with it.
func (m *Machine) work(ctx context.Context, dir string, env []string, program string, args ...string) (string, error) {
	if m.family != nil {
		env = m.family.Environ(env)
	}
	return command(ctx, dir, env, program, args...)
}
