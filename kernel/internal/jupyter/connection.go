package jupyter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/go-zeromq/zmq4"
	"github.com/google/uuid"
)

// connectionInfo is the content of a connection file.
type connectionInfo struct {
	Transport       string `json:"transport"`
	IP              string `json:"ip"`
	ShellPort       int    `json:"shell_port"`
	IOPubPort       int    `json:"iopub_port"`
	StdinPort       int    `json:"stdin_port"`
	ControlPort     int    `json:"control_port"`
	HeartbeatPort   int    `json:"hb_port"`
	Key             string `json:"key"`
	SignatureScheme string `json:"signature_scheme"`
	KernelName      string `json:"kernel_name"`
}

// writeConnectionFile chooses free ports of the loopback interface and writes them, with the key
// that signs messages, to a file in dir which only the user can read.
func writeConnectionFile(dir string, s session) (path string, info connectionInfo, err error) {
	ports, err := freePorts(5)
	if err != nil {
		return "", info, err
	}
	info = connectionInfo{
		Transport: "tcp", IP: "127.0.0.1",
		ShellPort: ports[0], IOPubPort: ports[1], StdinPort: ports[2], ControlPort: ports[3], HeartbeatPort: ports[4],
		Key: string(s.key), SignatureScheme: "hmac-sha256",
	}
	content, err := json.Marshal(info)
	if err != nil {
		return "", info, err
	}
	// GoNB reads the kernel's id out of a name of this form.
	path = filepath.Join(dir, "kernel-"+uuid.NewString()+".json")
	return path, info, os.WriteFile(path, content, 0o600)
}

// freePorts returns n ports that were free a moment ago.
func freePorts(n int) (ports []int, err error) {
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("jupyter: no free port: %w", err)
		}
		defer listener.Close() // all at the end, so that no port is given twice
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// connection is the client's end of a kernel's sockets.
type connection struct {
	session        session
	shell, control zmq4.Socket
	iopub          zmq4.Socket
	messages       chan arrival
	lost           chan error // why no more messages come by a socket
	heard          heard
	closed         context.Context
	close          context.CancelFunc
}

// arrival is a message with the socket it came by.
type arrival struct {
	socket string // shell, control or iopub
	*Message
}

// connect connects to the sockets named in info, waiting until the kernel has bound them or ctx
// ends.
func connect(ctx context.Context, info connectionInfo, s session) (*connection, error) {
	closed, cancel := context.WithCancel(context.Background())
	options := []zmq4.Option{
		zmq4.WithDialerRetry(20 * time.Millisecond),
		zmq4.WithDialerMaxRetries(-1),
		zmq4.WithLogger(log.New(io.Discard, "", 0)),
	}
	c := &connection{
		session:  s,
		shell:    zmq4.NewDealer(closed, options...),
		control:  zmq4.NewDealer(closed, options...),
		iopub:    zmq4.NewSub(closed, options...),
		messages: make(chan arrival, 256),
		lost:     make(chan error, 3), // one for each socket
		closed:   closed,
		close:    cancel,
	}
	// Dial knows no deadline, so it is left behind when ctx ends first; close ends it.
	dialed := make(chan error, 1)
	go func() { dialed <- c.dial(info) }()
	select {
	case err := <-dialed:
		if err != nil {
			c.Close()
			return nil, err
		}
	case <-ctx.Done():
		c.close()
		return nil, context.Cause(ctx)
	}
	go c.receive("iopub", c.iopub)
	go c.receive("shell", c.shell)
	go c.receive("control", c.control)
	return c, nil
}

// dial connects the sockets.
func (c *connection) dial(info connectionInfo) (err error) {
	defer func() {
		if recover() != nil { // zmq4 does not check the lengths within a greeting
			err = errors.New("jupyter: what listens in the kernel's place is no kernel")
		}
	}()
	if err := registerBounded(); err != nil {
		return err
	}
	if err := c.iopub.SetOption(zmq4.OptionSubscribe, ""); err != nil {
		return err
	}
	if err := c.iopub.Dial(endpoint(boundedTCP, info, info.IOPubPort)); err != nil {
		return err
	}
	if err := c.shell.Dial(endpoint(boundedTCP, info, info.ShellPort)); err != nil {
		return err
	}
	return c.control.Dial(endpoint(boundedTCP, info, info.ControlPort))
}

func endpoint(transport string, info connectionInfo, port int) string {
	return fmt.Sprintf("%s://%s:%d", transport, info.IP, port)
}

// receive passes on the messages of one socket until it ends. Messages with a wrong signature are
// not the kernel's, those that came before are played back by someone: both are dropped.
func (c *connection) receive(name string, socket zmq4.Socket) {
	for {
		frames, err := socket.Recv()
		if err != nil {
			c.lost <- fmt.Errorf("jupyter: the connection to the kernel's %s broke: %w", name, err)
			return
		}
		message, err := c.session.decode(frames.Frames)
		if err != nil || !c.heard.first(message.ID) {
			continue
		}
		select {
		case c.messages <- arrival{name, message}:
		case <-c.closed.Done():
			return
		}
	}
}

// send sends a request and returns its id.
func (c *connection) send(socket zmq4.Socket, kind string, content any) (id string, err error) {
	frames, id, err := c.session.encode(kind, content)
	if err != nil {
		return "", err
	}
	if err := socket.SendMulti(zmq4.NewMsgFrom(frames...)); err != nil {
		return "", fmt.Errorf("jupyter: the kernel took no %s: %w", kind, err)
	}
	return id, nil
}

// Close closes the sockets.
func (c *connection) Close() {
	c.close()
	for _, socket := range []zmq4.Socket{c.shell, c.control, c.iopub} {
		_ = socket.Close() // nothing is lost: every reply that matters has been read
	}
}
