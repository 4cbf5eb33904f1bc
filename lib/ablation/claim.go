package ablation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"tokenfuse/lib/result"
)

// claim is the right to work on a cell. Files of claims are made and removed by who holds the store's
// lock, so that none is locked that was just removed.
type claim struct {
	store *Store
	lock  *flock.Flock
}

// state is what became of the wish to work on a cell.
type state int

const (
	claimed state = iota
	isDone        // it has its row
	isBusy        // another process works on it
)

// claim asks for the right to work on a cell.
func (s *Store) claim(ctx context.Context, key string, retry bool) (c *claim, what state, err error) {
	err = s.locked(ctx, func() error {
		if err := s.refresh(); err != nil {
			return err
		}
		if s.done(key, retry) {
			what = isDone
			return nil
		}
		dir := s.hidden("claims")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("ablation: store: %w", err)
		}
		lock := flock.New(filepath.Join(dir, key))
		got, err := lock.TryLock()
		switch {
		case err != nil && !(s.alone() && errors.Is(err, errors.ErrUnsupported)):
			return fmt.Errorf("ablation: store: %w", err)
		case err == nil && !got:
			what = isBusy
			return lock.Close()
		}
		c = &claim{s, lock}
		return nil
	})
	return c, what, err
}

// finish writes the row, and gives the claim up. It is not for ctx to stop: the work is done.
func (c *claim) finish(row result.Row) error {
	return c.end(func() error { return c.store.append(row) })
}

// release gives the claim up without a row.
func (c *claim) release() error { return c.end(func() error { return nil }) }

func (c *claim) end(f func() error) error {
	return c.store.locked(context.Background(), func() error {
		err := f()
		path := c.lock.Path()
		err = errors.Join(err, c.lock.Unlock(), os.Remove(path))
		_ = os.Remove(filepath.Dir(path)) // once it is empty
		return err
	})
}
