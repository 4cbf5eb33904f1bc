package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"testing"
)

// TestMain lets the test binary be the command itself, so that tests run it as a user does.
func TestMain(m *testing.M) {
	if os.Getenv("TOKENFUSE_TEST_COMMAND") == "1" {
		main()
	}
	os.Exit(m.Run())
}

// outcome is what a user sees of a command.
type outcome struct {
	code           int
	stdout, stderr string
}

// kernel runs the command with the environment variables given as "NAME=value".
func kernel(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(append(os.Environ(), "TOKENFUSE_TEST_COMMAND=1"), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}
