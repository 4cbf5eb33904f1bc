package jupyter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/go-zeromq/zmq4"
	"github.com/go-zeromq/zmq4/transport"
)

// maxFrame is how large a part of a message may be: more than any output that a cell may keep.
const maxFrame = 1 << 30

// boundedTCP is TCP for the ends that dial. Of a frame ZMTP says the size before the content, and zmq4 takes memory
// for it, or panics where there is not that much, long before a signature is verified: so whoever got hold
// of the kernel's port could end the client. Connections of this transport end at a frame above maxFrame.
const boundedTCP = "bounded-tcp"

// registerBounded makes boundedTCP known to zmq4, which finds transports by their names.
var registerBounded = sync.OnceValue(func() error {
	return zmq4.RegisterTransport(boundedTCP, boundedTransport{transport.New("tcp")})
})

type boundedTransport struct{ transport.Transport }

// Addr implements transport.Transport: as it is written, for there is nothing to choose where one dials.
func (boundedTransport) Addr(endpoint string) (string, error) { return endpoint, nil }

func (t boundedTransport) Dial(ctx context.Context, dialer transport.Dialer, address string) (net.Conn, error) {
	conn, err := t.Transport.Dial(ctx, dialer, address)
	if err != nil {
		return nil, err
	}
	return &bounded{Conn: conn, skip: greetingSize}, nil
}

// greetingSize is what ZMTP 3 begins with (https://rfc.zeromq.org/spec/23/). Frames follow: a byte of flags, the
// size in one byte or, as a flag says, in eight, and so many bytes of content.
const (
	greetingSize = 64
	longFlag     = 2
)

// bounded reads along what its peer sends.
type bounded struct {
	net.Conn
	skip   uint64 // bytes to come of the greeting or of a frame's content
	header []byte // of the next frame, as far as it is here
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		if b.skip > 0 {
			passed := min(b.skip, uint64(len(rest)))
			b.skip, rest = b.skip-passed, rest[passed:]
			continue
		}
		b.header, rest = append(b.header, rest[0]), rest[1:]
		size, whole := frameSize(b.header)
		if !whole {
			continue
		}
		if size > maxFrame {
			return 0, errors.Join(fmt.Errorf("jupyter: a frame of %d bytes, want at most %d", size, maxFrame), b.Close())
		}
		b.skip, b.header = size, b.header[:0]
	}
	return n, err
}

// frameSize returns the size that a frame's header says, and whether it is whole.
func frameSize(header []byte) (size uint64, whole bool) {
	switch {
	case len(header) == 2 && header[0]&longFlag == 0:
		return uint64(header[1]), true
	case len(header) == 9:
		return binary.BigEndian.Uint64(header[1:]), true
	}
	return 0, false
}
