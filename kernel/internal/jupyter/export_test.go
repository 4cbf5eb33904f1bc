package jupyter

import (
	"context"
	"encoding/json"
)

// Ask sends a request that runs nothing, such as complete_request, and returns the content of its reply.
func (k *Kernel) Ask(ctx context.Context, kind string, content any) (json.RawMessage, error) {
	id, err := k.conn.send(k.conn.shell, kind, content)
	if err != nil {
		return nil, err
	}
	for {
		select {
		case m := <-k.conn.messages:
			if m.Parent == id && m.socket == "shell" {
				return m.Content, nil
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-k.process.done:
			return nil, k.died()
		}
	}
}

// Tell sends a message that has no reply, such as comm_msg.
func (k *Kernel) Tell(kind string, content any) error {
	_, err := k.conn.send(k.conn.shell, kind, content)
	return err
}
