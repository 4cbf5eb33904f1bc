package jupyter

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tokenfuse/kernel/internal/nbformat"
)

// startFake starts a fake kernel and makes sure, at the end of the test, that nothing is left of it.
func startFake(t *testing.T, interrupt string) *Kernel {
	t.Helper()
	kernel, err := Start(t.Context(), fakeSpec(t, "plain", interrupt), Options{Grace: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kernel.Close(); err != nil {
			t.Error(err)
		}
		if kernel.Alive() {
			t.Error("the kernel lives")
		}
		checkGone(t, kernel)
	})
	return kernel
}

func checkGone(t *testing.T, kernel *Kernel) {
	t.Helper()
	if _, err := os.Stat(kernel.family.Folder); !os.IsNotExist(err) {
		t.Errorf("the temporary folder is left: %v", err)
	}
}

// outputs writes a cell's outputs in short.
func outputs(cell *nbformat.Cell) []string {
	var list []string
	for _, o := range cell.Outputs {
		text, _ := o.Data.Text("text/plain")
		list = append(list, strings.Trim(strings.Join([]string{o.Kind, o.Name, o.Text, text, o.ErrorName, o.ErrorValue, strings.Join(o.Traceback, "+")}, " "), " "))
	}
	return list
}

func TestExecute(t *testing.T) {
	kernel := startFake(t, "message")
	var recorder Recorder
	run := func(t *testing.T, code string) (*nbformat.Cell, Reply) {
		t.Helper()
		cell := &nbformat.Cell{Kind: nbformat.Code, Source: code}
		recorder.Begin(cell)
		reply, err := kernel.Execute(t.Context(), code, recorder.Take)
		recorder.End()
		if err != nil {
			t.Fatal(err)
		}
		return cell, reply
	}
	for i, test := range []struct {
		code   string
		status string
		want   []string
	}{
		{"streams", "ok", []string{"stream stdout ab\n", "stream stderr c", "stream stdout d"}},
		{"result", "ok", []string{"execute_result   42"}},
		{"clear", "ok", nil},
		{"clear-wait", "ok", []string{"stream stdout new"}},
		{"clear-wait-nothing", "ok", []string{"stream stdout old"}},
		{"error", "error", []string{"error    ERROR boom t1+t2"}},
		{"forged", "ok", []string{"stream stdout genuine"}},
		{"replayed", "ok", []string{"stream stdout once"}},
		{"others", "ok", []string{"stream stdout mine"}},
		{"reply-first", "ok", []string{"stream stdout after the reply"}},
		{"malformed", "ok", nil},
	} {
		t.Run(test.code, func(t *testing.T) {
			cell, reply := run(t, test.code)
			if diff := cmp.Diff(test.want, outputs(cell)); diff != "" {
				t.Errorf("outputs (-want +got)\n%s", diff)
			}
			if reply.Status != test.status || cell.ExecutionCount == nil || *cell.ExecutionCount != i+1 {
				t.Errorf("status %q, execution count %v; want %q, %d", reply.Status, cell.ExecutionCount, test.status, i+1)
			}
		})
	}
	t.Run("a later cell updates a display", func(t *testing.T) {
		shown, _ := run(t, "display")
		if diff := cmp.Diff([]string{"display_data   first", "display_data   plain"}, outputs(shown)); diff != "" {
			t.Errorf("before (-want +got)\n%s", diff)
		}
		updating, _ := run(t, "update")
		if diff := cmp.Diff([]string{"display_data   second", "display_data   plain"}, outputs(shown)); diff != "" || len(updating.Outputs) > 0 {
			t.Errorf("after (-want +got)\n%s", diff)
		}
		again, _ := run(t, "display")
		if diff := cmp.Diff(outputs(again), outputs(shown)); diff != "" {
			t.Errorf("shown again under the same id (-new +old)\n%s", diff)
		}
	})
	t.Run("what it tells of itself", func(t *testing.T) {
		var language struct{ Name string }
		if err := json.Unmarshal(kernel.Info().Language, &language); err != nil || language.Name != "go" {
			t.Errorf("language %q, %v", language.Name, err)
		}
	})
}

func TestInterrupt(t *testing.T) {
	for _, mode := range []string{"message", "signal"} {
		t.Run(mode, func(t *testing.T) {
			kernel := startFake(t, mode)
			reason := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			var seen []string
			_, err := kernel.Execute(ctx, "hang", func(m *Message) {
				seen = append(seen, m.Type)
				if m.Type == "stream" {
					cancel(reason)
				}
			})
			if !errors.Is(err, reason) || !kernel.Alive() {
				t.Errorf("error %v, alive %v: want the cause and a kernel that goes on", err, kernel.Alive())
			}
			if diff := cmp.Diff([]string{"execute_input", "stream"}, seen); diff != "" {
				t.Errorf("messages (-want +got)\n%s", diff)
			}
			if reply, err := kernel.Execute(t.Context(), "streams", func(*Message) {}); err != nil || reply.Status != "ok" {
				t.Errorf("the next cell: %v, %v", reply, err)
			}
		})
	}
}

func TestDeath(t *testing.T) {
	kernel := startFake(t, "message")
	var texts []string
	_, err := kernel.Execute(t.Context(), "die", func(m *Message) { texts = append(texts, m.Type) })
	const want = `the kernel died (exit status 7); its last words: "panic: out of cheese"`
	if dead := (*DeadError)(nil); !errors.As(err, &dead) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if diff := cmp.Diff([]string{"execute_input", "stream"}, texts); diff != "" {
		t.Errorf("messages before its death (-want +got)\n%s", diff)
	}
	if _, err := kernel.Execute(t.Context(), "streams", nil); err == nil {
		t.Error("a dead kernel executes")
	}
}

func TestStartFails(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	for _, test := range []struct {
		name string
		spec Spec
		want string
	}{
		{"no command", Spec{}, "no command"},
		{"command absent", Spec{Argv: []string{"/nowhere/gonb"}}, "no such file"},
		{"crashes", fakeSpec(t, "crash", ""), `the kernel died (exit status 1); its last words: "panic: no fun"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Start(t.Context(), test.spec, Options{}); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, test.want)
			}
		})
	}
	t.Run("given up while it is mute", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, err := Start(ctx, fakeSpec(t, "mute", ""), Options{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("port taken at first", func(t *testing.T) {
		kernel, err := Start(t.Context(), fakeSpec(t, t.TempDir()+"/first", ""), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := kernel.Close(); err != nil {
			t.Error(err)
		}
	})
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	s := newSession()
	good, _, err := s.encode("kind", map[string]int{"a": 1})
	if err != nil {
		t.Fatal(err)
	}
	change := func(i int, with string) [][]byte {
		frames := append([][]byte{}, good...)
		frames[i] = []byte(with)
		return frames
	}
	for _, test := range []struct {
		name   string
		frames [][]byte
		valid  bool
	}{
		{"genuine", good, true},
		{"genuine, routed", append([][]byte{[]byte("id")}, good...), true},
		{"nothing", nil, false},
		{"cut off", good[:4], false},
		{"no delimiter", good[1:], false},
		{"signature", change(1, "00"), false},
		{"content", change(5, `{"a":2}`), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if m, err := s.decode(test.frames); (err == nil) != test.valid || test.valid && m.Type != "kind" {
				t.Errorf("message %v, error %v", m, err)
			}
		})
	}
}

// TestConnectionFile: the key that signs messages is the user's alone to read, and all ports are of the
// loopback interface.
func TestConnectionFile(t *testing.T) {
	path, info, err := writeConnectionFile(t.TempDir(), newSession())
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Stat(path)
	if err != nil || file.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: want mode 0600", file, err)
	}
	if info.IP != "127.0.0.1" || info.Transport != "tcp" || info.SignatureScheme != "hmac-sha256" || len(info.Key) < 26 {
		t.Errorf("connection %+v", info)
	}
}

// TestHeard: a message is known again, and the ids of old ones are not kept for ever.
func TestHeard(t *testing.T) {
	var h heard
	for i := range 3 * heardMost {
		if id := strconv.Itoa(i); !h.first(id) || h.first(id) {
			t.Fatalf("message %d is not told from one played back", i)
		}
	}
	if len(h.ids) > heardMost || len(h.order) != len(h.ids) {
		t.Errorf("%d ids in %d places, want at most %d", len(h.ids), len(h.order), heardMost)
	}
}

// TestNothingListens: the kernel listens on the loopback interface, and once it has ended nothing does.
func TestNothingListens(t *testing.T) {
	kernel, err := Start(t.Context(), fakeSpec(t, "plain", "message"), Options{Grace: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(kernel.family.Folder, "kernel-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var info connectionInfo
	if err := json.Unmarshal(content, &info); err != nil {
		t.Fatal(err)
	}
	if err := kernel.Close(); err != nil {
		t.Error(err)
	}
	for _, port := range []int{info.ShellPort, info.IOPubPort, info.ControlPort, info.HeartbeatPort} {
		if conn, err := net.Dial("tcp", net.JoinHostPort(info.IP, strconv.Itoa(port))); err == nil {
			conn.Close()
			t.Errorf("port %d still answers", port)
		}
	}
}
