package jupyter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Reply is the kernel's verdict on a cell.
type Reply struct {
	Status         string   `json:"status"` // ok, error, or aborted
	ExecutionCount int      `json:"execution_count"`
	ErrorName      string   `json:"ename"`
	ErrorValue     string   `json:"evalue"`
	Traceback      []string `json:"traceback"`
}

// outputGrace is how long Execute waits for another piece of a cell's output once the kernel has
// replied.
const outputGrace = 5 * time.Second

// Execute runs the code of one cell and passes each message about it to handle, in their order,
// until the kernel has replied and is idle again.
//
// When ctx ends first, the cell is interrupted and the error is ctx's cause; a kernel that does not
// stop in time is killed with all its children, see Alive. When the kernel dies the error is a
// *DeadError.
func (k *Kernel) Execute(ctx context.Context, code string, handle func(*Message)) (Reply, error) {
	if !k.Alive() {
		return Reply{}, k.died()
	}
	request := map[string]any{
		"code": code, "silent": false, "store_history": true, "user_expressions": struct{}{},
		"allow_stdin": false, "stop_on_error": true,
	}
	id, err := k.conn.send(k.conn.shell, "execute_request", request)
	if err != nil {
		return Reply{}, err
	}
	c := cell{id: id, handle: handle}
	select {
	case <-ctx.Done(): // also when a reply has come in the same moment
	default:
		err = k.follow(ctx.Done(), nil, &c)
	}
	switch {
	case c.finished():
		return c.reply, c.err
	case errors.Is(err, errStopped) || err == nil:
		return c.reply, k.stop(ctx, &c)
	}
	return c.reply, err
}

// cell is the state of an execution.
type cell struct {
	id            string
	handle        func(*Message)
	reply         Reply
	err           error
	replied, idle bool
}

func (c *cell) finished() bool { return c.replied && c.idle }

// take looks at one message.
func (c *cell) take(m arrival) {
	if m.Parent != c.id {
		return // late output of an earlier cell
	}
	switch {
	case m.socket == "shell" && m.Type == "execute_reply":
		c.replied = true
		if err := json.Unmarshal(m.Content, &c.reply); err != nil {
			c.err = fmt.Errorf("jupyter: execute_reply: %w", err)
		}
	case m.socket == "iopub" && m.Type == "status":
		var status struct {
			State string `json:"execution_state"`
		}
		c.idle = json.Unmarshal(m.Content, &status) == nil && status.State == "idle"
	case m.socket == "iopub":
		c.handle(m.Message)
	}
}

// errStopped says that follow ended because it was told to.
var errStopped = errors.New("stopped")

// follow takes messages until the cell is finished, stop or late fires, or the kernel dies.
func (k *Kernel) follow(stop <-chan struct{}, late <-chan time.Time, c *cell) error {
	told := late != nil
	for !c.finished() {
		if c.replied && late == nil {
			late = time.After(outputGrace)
		}
		select {
		case m := <-k.conn.messages:
			c.take(m)
			if !told {
				late = nil // a cell that printed much may take long to be heard
			}
		case <-stop:
			return errStopped
		case <-late:
			if !c.replied {
				return errStopped
			}
			return errors.New("jupyter: the kernel replied but never became idle: outputs may be missing")
		case err := <-k.conn.lost:
			if k.process.wait(time.Second); !k.process.ended() { // an end breaks them too
				return err
			}
			return k.ended(c)
		case <-k.process.done:
			return k.ended(c)
		}
	}
	return nil
}

// ended takes what came of the cell before the kernel died.
func (k *Kernel) ended(c *cell) error {
	k.drain(c)
	if c.finished() {
		return nil
	}
	return k.died()
}

// drain takes what a dead kernel had still sent.
func (k *Kernel) drain(c *cell) {
	for {
		select {
		case m := <-k.conn.messages:
			c.take(m)
		case <-time.After(100 * time.Millisecond):
			return
		}
	}
}

// stop interrupts the cell, and kills the kernel if that does not help.
func (k *Kernel) stop(ctx context.Context, c *cell) error {
	cause := context.Cause(ctx)
	if err := k.Interrupt(); err == nil {
		_ = k.follow(nil, time.After(k.grace), c)
	}
	if c.finished() {
		return cause
	}
	return errors.Join(cause, k.Kill())
}
