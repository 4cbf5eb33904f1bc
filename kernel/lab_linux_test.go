package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tokenfuse/kernel/internal/provision/provisiontest"
)

// TestLabIsClosed: the JupyterLab that lab starts refuses whoever does not have its token, and requests under
// another host's name; it and the kernels in it listen on the loopback interface alone, and end with it.
func TestLabIsClosed(t *testing.T) {
	if testing.Short() {
		t.Skip("starts JupyterLab")
	}
	provisiontest.Python(t, "jupyterlab", "ipykernel")
	heedHangup(t)
	mark := "TOKENFUSE_TEST_LAB=" + t.TempDir() // in the environment of all that it starts
	cmd := exec.CommandContext(t.Context(), os.Args[0], "lab", "--no-browser", "--port", "0")
	cmd.Env = append(os.Environ(), "TOKENFUSE_TEST_COMMAND=1", mark)
	var said bytes.Buffer
	cmd.Stderr = &said
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended, unless the test failed
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	address := regexp.MustCompile(`http://\S+`).FindString(line)
	page, failed := url.Parse(address)
	if err != nil || failed != nil || page.Hostname() != "127.0.0.1" || len(page.Query().Get("token")) < 20 {
		t.Fatalf("lab says %q (%v): %s", line, err, said.String())
	}
	lab := server{t, page.Host, page.Query().Get("token")}

	// What shows or does something; nothing is lost where it is let in. A page sends the browser to log in, the
	// interface is forbidden.
	for request, body := range map[string]string{
		"GET /lab": "", "GET /api/contents": "", "GET /files/01-quickstart.ipynb": "", "GET /api/sessions": "",
		"GET /api/kernels": "", "POST /api/kernels": `{"name":"python3"}`, "POST /api/terminals": "", "GET /api/status": "", "GET /metrics": "",
		"PATCH /api/contents/none.ipynb": `{"path":"nowhere.ipynb"}`, "DELETE /api/contents/none.ipynb": "",
		"GET /api/events/subscribe": "", "GET /terminals/websocket/1": "",
	} {
		for _, token := range []string{"", "wrong", lab.token[1:]} {
			code, location := lab.ask(request, body, token, lab.host)
			if code != http.StatusForbidden && !(code == http.StatusFound && strings.HasPrefix(location, "/login")) {
				t.Errorf("%s with token %q: %d %s", request, token, code, location)
			}
		}
		if code, _ := lab.ask(request, body, lab.token, "example.org"); code != http.StatusForbidden {
			t.Errorf("%s under another name: %d", request, code)
		}
	}
	if code, _ := lab.ask("GET /api/contents", "", lab.token, lab.host); code != http.StatusOK {
		t.Errorf("with its token: %d", code)
	}

	// A kernel opens ports too.
	if code, _ := lab.ask("POST /api/kernels", `{"name":"python3"}`, lab.token, lab.host); code != http.StatusCreated {
		t.Fatalf("no kernel: %d", code)
	}
	var open []string
	for begin := time.Now(); len(open) < 6 && time.Since(begin) < time.Minute; time.Sleep(100 * time.Millisecond) {
		open = listening(t, mark)
	}
	if len(open) < 6 {
		t.Errorf("%q are open, want the server's port and five of the kernel's: the test shows little", open)
	}
	for _, address := range open {
		if !strings.HasPrefix(address, "127.0.0.1:") {
			t.Errorf("listens on %s", address)
		}
	}

	must(t, cmd.Process.Signal(syscall.SIGINT))
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit %d, want 130: %s", code, said.String())
	}
	if open := listening(t, mark); len(open) > 0 {
		t.Errorf("behind its end %q are open", open)
	}
}

// server is a JupyterLab that runs.
type server struct {
	t           *testing.T
	host, token string
}

// ask sends a request, such as "GET /lab", with a token, under a host's name.
func (s server) ask(request, body, token, host string) (code int, location string) {
	s.t.Helper()
	method, path, _ := strings.Cut(request, " ")
	made, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.host+path, strings.NewReader(body))
	must(s.t, err)
	made.Host = host
	if token != "" {
		made.Header.Set("Authorization", "token "+token)
	}
	if strings.Contains(path, "websocket") {
		made.Header.Set("Connection", "Upgrade")
		made.Header.Set("Upgrade", "websocket")
		made.Header.Set("Sec-WebSocket-Version", "13")
		made.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	}
	response, err := http.DefaultTransport.RoundTrip(made) // redirections are answers
	must(s.t, err)
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Header.Get("Location")
}

// listening returns the addresses on which processes with a mark in their environment accept TCP.
func listening(t *testing.T, mark string) (addresses []string) {
	t.Helper()
	sockets := map[string]string{} // by inode
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		content, err := os.ReadFile(table)
		if os.IsNotExist(err) {
			continue // no IPv6
		}
		must(t, err)
		for line := range strings.Lines(string(content)) {
			if fields := strings.Fields(line); len(fields) > 9 && fields[3] == "0A" {
				sockets["socket:["+fields[9]+"]"] = addressOf(fields[1])
			}
		}
	}
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	must(t, err)
	for _, path := range environments {
		environment, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(environment, []byte(mark)) {
			continue // ended, or another's
		}
		files, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "fd", "*"))
		for _, file := range files {
			link, _ := os.Readlink(file)
			if address, ok := sockets[link]; ok && !slices.Contains(addresses, address) {
				addresses = append(addresses, address)
			}
		}
	}
	slices.Sort(addresses)
	return addresses
}

// addressOf reads an address of /proc/net/tcp: "0100007F:22B8" is 127.0.0.1:8888.
func addressOf(text string) string {
	ip, port, _ := strings.Cut(text, ":")
	if bits, err := hex.DecodeString(ip); err == nil && len(bits) == 4 {
		slices.Reverse(bits) // as the processors that Go and XLA run on have it
		ip = fmt.Sprintf("%d.%d.%d.%d", bits[0], bits[1], bits[2], bits[3])
	}
	return ip + ":" + port
}
