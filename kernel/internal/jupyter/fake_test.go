package jupyter

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/go-zeromq/zmq4"
)

// fakeVariable makes this test program a kernel: its second argument is the connection file.
const fakeVariable = "TOKENFUSE_FAKE_KERNEL"

func TestMain(m *testing.M) {
	if os.Getenv(fakeVariable) == "" {
		os.Exit(m.Run())
	}
	if err := runFake(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// fakeSpec starts this test program as a kernel. mode is what it does besides: see runFake.
func fakeSpec(t *testing.T, mode, interrupt string) Spec {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Spec{
		Argv: []string{program, "{connection_file}"}, Env: map[string]string{fakeVariable: mode},
		DisplayName: "Fake", Language: "go", InterruptMode: interrupt,
	}
}

// fake is a kernel whose cells are the names of what they do.
type fake struct {
	session                      session
	shell, control, iopub, heart zmq4.Socket
	parent                       json.RawMessage // header of the request that is being answered
	identity                     []byte
	count, copies                int // of cells; of each message, beyond the first
	interrupted                  chan struct{}
}

// runFake serves as a kernel. Mode "mute" never answers, "crash" ends at once, "taken" too but says
// that a port was taken when it is the first to run in its folder's parent.
func runFake(file string) error {
	switch mode := os.Getenv(fakeVariable); {
	case mode == "mute":
		time.Sleep(time.Hour)
	case mode == "crash":
		return fmt.Errorf("panic: no fun\n\ngoroutine 1")
	case mode[0] == '/': // a file that the first run makes
		if f, err := os.OpenFile(mode, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			f.Close()
			return fmt.Errorf("listen tcp: bind: address already in use")
		}
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var info connectionInfo
	if err := json.Unmarshal(content, &info); err != nil {
		return err
	}
	ctx := context.Background()
	k := &fake{
		session: session{id: "fake", key: []byte(info.Key)},
		shell:   zmq4.NewRouter(ctx), control: zmq4.NewRouter(ctx), iopub: zmq4.NewPub(ctx), heart: zmq4.NewRep(ctx),
		interrupted: make(chan struct{}, 1),
	}
	for port, socket := range map[int]zmq4.Socket{info.ShellPort: k.shell, info.ControlPort: k.control, info.IOPubPort: k.iopub, info.HeartbeatPort: k.heart} {
		if err := socket.Listen(endpoint(info.Transport, info, port)); err != nil {
			return err
		}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	go func() {
		for range signals {
			k.interrupted <- struct{}{}
		}
	}()
	go k.serveControl()
	for {
		kind, content, err := k.receive(k.shell)
		if err != nil {
			return err
		}
		k.publish("status", map[string]string{"execution_state": "busy"})
		switch kind {
		case "kernel_info_request":
			k.reply("kernel_info_reply", map[string]any{"implementation": "fake", "language_info": map[string]string{"name": "go"}})
		case "execute_request":
			var request struct{ Code string }
			if err := json.Unmarshal(content, &request); err != nil {
				return err
			}
			k.count++
			k.publish("execute_input", map[string]any{"code": request.Code, "execution_count": k.count})
			k.execute(request.Code)
		}
		k.publish("status", map[string]string{"execution_state": "idle"})
	}
}

func (k *fake) serveControl() {
	for {
		message, err := k.control.Recv()
		if err != nil {
			return
		}
		m, err := k.session.decode(message.Frames)
		switch {
		case err != nil:
		case m.Type == "interrupt_request":
			k.interrupted <- struct{}{}
		case m.Type == "shutdown_request":
			os.Exit(0)
		}
	}
}

// execute does what the cell's code names.
func (k *fake) execute(code string) {
	ok := func() { k.reply("execute_reply", map[string]any{"status": "ok", "execution_count": k.count}) }
	stream := func(name, text string) { k.publish("stream", map[string]string{"name": name, "text": text}) }
	display := func(kind, id, text string) {
		k.publish(kind, map[string]any{
			"data": map[string]string{"text/plain": text}, "metadata": map[string]any{}, "execution_count": k.count,
			"transient": map[string]string{"display_id": id},
		})
	}
	switch code {
	case "streams":
		stream("stdout", "a")
		stream("stdout", "b\n")
		stream("stderr", "c")
		stream("stdout", "d")
	case "display":
		display("display_data", "box", "first")
		display("display_data", "", "plain")
	case "update":
		display("update_display_data", "box", "second")
	case "result":
		display("execute_result", "", "42")
	case "clear":
		stream("stdout", "old")
		k.publish("clear_output", map[string]bool{"wait": false})
	case "clear-wait":
		stream("stdout", "old")
		k.publish("clear_output", map[string]bool{"wait": true})
		stream("stdout", "new")
	case "clear-wait-nothing":
		stream("stdout", "old")
		k.publish("clear_output", map[string]bool{"wait": true})
	case "error":
		failed := map[string]any{"ename": "ERROR", "evalue": "boom", "traceback": []string{"t1", "t2"}, "status": "error", "execution_count": k.count}
		k.publish("error", failed)
		k.reply("execute_reply", failed)
		return
	case "forged":
		right := k.session
		k.session.key = []byte("another key")
		stream("stdout", "forged")
		ok() // a forged reply must not end the cell
		k.session = right
		stream("stdout", "genuine")
	case "replayed":
		k.copies = 2
		stream("stdout", "once")
		k.copies = 0
	case "others":
		parent := k.parent
		k.parent = json.RawMessage(`{"msg_id":"another"}`)
		stream("stdout", "of another cell")
		k.parent = parent
		stream("stdout", "mine")
	case "reply-first":
		ok()
		stream("stdout", "after the reply")
		return
	case "malformed":
		k.publish("stream", []int{1})
		k.publish("unheard_of", nil)
	case "hang":
		stream("stdout", "started")
		<-k.interrupted
	case "stuck":
		// A child in a session of its own, as a cell might start it.
		child := exec.Command("sleep", "3600")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err == nil {
			stream("stdout", fmt.Sprint(child.Process.Pid))
		}
		select {}
	case "die":
		stream("stdout", "last")
		time.Sleep(100 * time.Millisecond) // until it is sent
		fmt.Fprintln(os.Stderr, "I1123 12:00:00.000000 chatter\npanic: out of cheese\n\ngoroutine 1 [running]:")
		os.Exit(7)
	}
	ok()
}

// receive waits for a genuine request.
func (k *fake) receive(socket zmq4.Socket) (kind string, content json.RawMessage, err error) {
	for {
		message, err := socket.Recv()
		if err != nil {
			return "", nil, err
		}
		m, err := k.session.decode(message.Frames)
		if err != nil {
			continue
		}
		k.identity, k.parent = message.Frames[0], message.Frames[len(message.Frames)-4]
		return m.Type, m.Content, nil
	}
}

func (k *fake) publish(kind string, content any) { k.send(k.iopub, nil, kind, content) }

func (k *fake) reply(kind string, content any) { k.send(k.shell, [][]byte{k.identity}, kind, content) }

func (k *fake) send(socket zmq4.Socket, route [][]byte, kind string, content any) {
	frames, _, err := k.session.encode(kind, content)
	if err != nil {
		panic(err)
	}
	parts := frames[2:]
	parts[1] = k.parent
	frames[1] = k.session.sign(parts)
	for range 1 + k.copies {
		if err := socket.SendMulti(zmq4.NewMsgFrom(append(route, frames...)...)); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}
