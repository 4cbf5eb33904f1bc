package jupyter

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// impostor listens in the place of a kernel: it greets whoever comes as ZMTP wants it, and sends what it is told.
func impostor(t *testing.T, ready string, then []byte) connectionInfo {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				greeting := make([]byte, greetingSize)
				copy(greeting, "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL")
				conn.Write(greeting)
				head := make([]byte, greetingSize+2)
				if _, err := io.ReadFull(conn, head); err != nil {
					return
				}
				asked := make([]byte, head[greetingSize+1])
				if _, err := io.ReadFull(conn, asked); err != nil {
					return
				}
				mine := ready
				if bytes.Contains(asked, []byte("SUB")) {
					mine = strings.ReplaceAll(ready, "\x06ROUTER", "\x03PUB")
				}
				conn.Write(append([]byte{4, byte(len(mine))}, mine...))
				conn.Write(then)
				io.Copy(io.Discard, conn)
			}()
		}
	}()
	port := listener.Addr().(*net.TCPAddr).Port
	return connectionInfo{Transport: "tcp", IP: "127.0.0.1", ShellPort: port, IOPubPort: port, ControlPort: port}
}

const ready = "\x05READY\x0bSocket-Type\x00\x00\x00\x06ROUTER"

func claiming(size uint64) []byte { return binary.BigEndian.AppendUint64([]byte{longFlag}, size) }

// TestHugeFrame: whoever listens in the kernel's place and claims a frame of 2^62 bytes is left, by each socket; the
// client lives.
func TestHugeFrame(t *testing.T) {
	for _, size := range []uint64{maxFrame + 1, 1 << 62, 1<<64 - 1} {
		c, err := connect(t.Context(), impostor(t, ready, claiming(size)), newSession())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 3 {
			select {
			case err := <-c.lost:
				if !strings.Contains(err.Error(), "want at most 1073741824") || strings.Contains(err.Error(), "\n") {
					t.Errorf("%d bytes: %v", size, err)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%d bytes: the connection is kept", size)
			}
		}
	}
}

// TestForgedGreeting: a greeting whose lengths lie is an error.
func TestForgedGreeting(t *testing.T) {
	for _, forged := range []string{"\x05READY\x30Socket-Type", "\x05READY\x02S", ready + "\x01"} {
		c, err := connect(t.Context(), impostor(t, forged, nil), newSession())
		if err == nil {
			c.Close()
		}
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", forged, err)
		}
	}
}

// streamOf is what comes by a connection.
type streamOf struct {
	net.Conn
	io.Reader
}

func (s streamOf) Read(p []byte) (int, error) { return s.Reader.Read(p) }
func (streamOf) Close() error                 { return nil }

// TestFrames: what is within the bounds passes unchanged, in whatever pieces it comes.
func TestFrames(t *testing.T) {
	sent := make([]byte, greetingSize)
	for _, frame := range []string{"\x00\x00", "\x01\x02ab", "\x04\xff" + strings.Repeat("\xff", 255),
		string(claiming(300)) + strings.Repeat("\x02", 300), string(claiming(0)), "\x00\x01\x02"} {
		sent = append(sent, frame...)
	}
	for _, pieces := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, func(r io.Reader) io.Reader { return r }} {
		got, err := io.ReadAll(&bounded{Conn: streamOf{Reader: pieces(bytes.NewReader(sent))}, skip: greetingSize})
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d of %d bytes came, %v", len(got), len(sent), err)
		}
		whole := append(bytes.Clone(sent), claiming(maxFrame+1)...)
		if _, err := io.ReadAll(&bounded{Conn: streamOf{Reader: pieces(bytes.NewReader(whole))}, skip: greetingSize}); err == nil {
			t.Error("a frame above the bound passes")
		}
	}
}
