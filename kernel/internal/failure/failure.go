// Package failure carries the exit code of a command from the place that knows what went wrong to
// main, the only place that exits.
//
//	0    done
//	1    the work failed: a cell raised, a verification differed
//	2    bad usage or bad input
//	3    something the machine lacks, with the command that cures it
//	130  interrupted
package failure

import (
	"context"
	"errors"
	"fmt"
)

// Exit codes of the command; see the package comment.
const (
	CodeWork        = 1
	CodeUsage       = 2
	CodeMissing     = 3
	CodeInterrupted = 130
)

// Error is an error that knows with which code the command should exit.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Usage reports bad usage or bad input: exit 2. The format is that of fmt.Errorf.
func Usage(format string, args ...any) error {
	return &Error{Code: CodeUsage, Err: fmt.Errorf(format, args...)}
}

// Missing reports something that the machine lacks, and the command that cures it: exit 3.
func Missing(cure, format string, args ...any) error {
	return &Error{Code: CodeMissing, Err: fmt.Errorf("%w: run %s", fmt.Errorf(format, args...), cure)}
}

// Work reports work that was tried and failed: exit 1. The format is that of fmt.Errorf.
func Work(format string, args ...any) error {
	return &Error{Code: CodeWork, Err: fmt.Errorf(format, args...)}
}

// Code returns the exit code for err: 0 for nil, 130 for a cancelled context, the code of the
// first Error in its chain, else 1.
func Code(err error) int {
	if err == nil {
		return 0
	}
	var coded *Error
	if errors.As(err, &coded) {
		return coded.Code
	}
	if errors.Is(err, context.Canceled) {
		return CodeInterrupted
	}
	return CodeWork
}
