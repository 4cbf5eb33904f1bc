package failure_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"tokenfuse/kernel/internal/failure"
)

func TestCode(t *testing.T) {
	cause := errors.New("cause")
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"nothing":                {nil, 0},
		"an error of no kind":    {cause, 1},
		"work":                   {failure.Work("cell 3: %w", cause), 1},
		"usage":                  {failure.Usage("no such file: %w", cause), 2},
		"missing":                {failure.Missing("go run ./kernel setup", "GoNB is not installed"), 3},
		"interrupted":            {fmt.Errorf("stopped: %w", context.Canceled), 130},
		"a code, wrapped":        {fmt.Errorf("in x: %w", failure.Usage("y")), 2},
		"a code, though stopped": {failure.Work("cell 3: %w", context.Canceled), 1},
	} {
		if got := failure.Code(c.err); got != c.want {
			t.Errorf("%s: exit %d, want %d", name, got, c.want)
		}
	}
	if !errors.Is(failure.Usage("x: %w", cause), cause) {
		t.Error("the cause is lost")
	}
	if got := failure.Missing("go run ./kernel setup", "GoNB is not installed").Error(); got != "GoNB is not installed: run go run ./kernel setup" {
		t.Errorf("%q does not name the cure", got)
	}
}
