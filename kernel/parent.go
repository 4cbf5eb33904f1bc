package main

import (
	"context"
	"os"
	"time"
)

// whileParentLives returns a context that ends when this process loses its parent, where that is a
// `go run`: it does not pass SIGTERM on, so that ending it would leave its program behind. Without
// `go run` outliving one's parent is a right that nohup relies on.
func whileParentLives(ctx context.Context) context.Context {
	parent := os.Getppid()
	if !startedByGo(parent) {
		return ctx
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for os.Getppid() == parent {
			time.Sleep(500 * time.Millisecond)
		}
		cancel()
	}()
	return ctx
}
