package main

import (
	"context"
	"errors"
	"os"
	"time"
)

// errParentGone is the cause of the end of a context of whileParentLives.
var errParentGone = errors.New("the command that started this one has ended")

// whileParentLives returns a context that ends when this process loses its parent, where that is a
// `go run`: it does not pass SIGTERM on, so that ending it would leave its program behind. Without
// `go run` outliving one's parent is a right that nohup relies on.
func whileParentLives(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	parent := os.Getppid()
	if startedByGo(parent) {
		go func() {
			tick := time.NewTicker(500 * time.Millisecond)
			defer tick.Stop()
			for os.Getppid() == parent {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
			}
			cancel(errParentGone)
		}()
	}
	return ctx, func() { cancel(nil) }
}
