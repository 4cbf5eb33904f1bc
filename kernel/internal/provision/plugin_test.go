package provision

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/go-xla/installer"

	"tokenfuse/kernel/internal/failure"
)

const pluginContent = "a plugin"

// testWheel returns a wheel with a plugin in it, and its pin.
func testWheel(t *testing.T) ([]byte, Wheel) {
	t.Helper()
	var content bytes.Buffer
	archive := zip.NewWriter(&content)
	file, err := archive.Create("xla/plugin.so")
	if err == nil {
		_, err = file.Write([]byte(pluginContent))
	}
	if err == nil {
		err = archive.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content.Bytes())
	return content.Bytes(), Wheel{Package: "xla", Version: "1", File: "xla-1.whl", Plugin: "xla/plugin.so",
		SHA256: hex.EncodeToString(sum[:]), Bytes: int64(content.Len())}
}

// serveWheel gives a machine a package index with one wheel, which the handler serves.
func serveWheel(t *testing.T, machine *Machine, wheel Wheel, handler http.HandlerFunc) {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	machine.Wheels = map[string]Wheel{"linux/amd64": wheel}
	machine.PyPI = func(string) (*installer.PipPackageInfo, error) {
		return &installer.PipPackageInfo{Releases: map[string][]installer.PipReleaseInfo{
			"1": {{Filename: "xla-1.whl", URL: server.URL}},
		}}, nil
	}
}

func TestCPUPlugin(t *testing.T) {
	content, wheel := testWheel(t)
	machine := testMachine(t, nil)
	serveWheel(t, machine, wheel, func(w http.ResponseWriter, r *http.Request) { w.Write(content) })
	plugin := machine.cpuPart(true)
	if plugin.ready() {
		t.Fatal("ready before it is installed")
	}
	if err := plugin.install(t.Context(), new(progress)); err != nil {
		t.Fatal(err)
	}
	if !plugin.ready() {
		t.Error("not ready after it is installed")
	}
	if got, _ := os.ReadFile(machine.cpuPlugin()); string(got) != pluginContent {
		t.Errorf("the plugin holds %q, want %q", got, pluginContent)
	}
	if got, want := files(t, machine.Home), []string{"pjrt/pjrt_cpu.so", "pjrt/pjrt_cpu.so.json"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}

	damage := []struct{ name, content, found string }{
		{"shorter", "a plug", "is damaged: 6 bytes instead of 8"},
		{"as long", "b plugin", "its checksum is"},
	}
	for _, test := range damage {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(machine.cpuPlugin(), []byte(test.content), 0o644); err != nil {
				t.Fatal(err)
			}
			if plugin.ready() {
				t.Error("a damaged plugin counts as ready")
			}
			if _, err := readOrigin(machine.cpuPlugin(), true); err == nil || !strings.Contains(err.Error(), test.found) {
				t.Errorf("error %v, want %q", err, test.found)
			}
		})
	}
	newer := wheel
	newer.Version = "2"
	machine.Wheels["linux/amd64"] = newer
	if machine.cpuPart(false).ready() {
		t.Error("the plugin of an older pin counts as ready")
	}
}

func TestCPUPluginFailures(t *testing.T) {
	content, wheel := testWheel(t)
	noPlugin := wheel
	noPlugin.Plugin = "xla/other.so"
	notListed := wheel
	notListed.File = "xla-1-other.whl"
	serve := func(w http.ResponseWriter, r *http.Request) { w.Write(content) }
	patience = time.Second
	t.Cleanup(func() { patience = time.Minute })
	tests := []struct {
		name    string
		wheel   Wheel
		handler http.HandlerFunc
		want    string
		code    int
	}{
		{"wrong checksum", wheel, func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("something else")) },
			`SHA256 hash mismatch`, failure.CodeMissing},
		{"cut off", wheel, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000000")
			w.Write(content)
		}, `unexpected EOF`, failure.CodeMissing},
		{"endless", wheel, func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := w.Write(content); err != nil {
					return
				}
			}
		}, `the server sends more than`, failure.CodeMissing},
		{"a byte now and then", wheel, func(w http.ResponseWriter, r *http.Request) {
			for i := range content {
				if _, err := w.Write(content[i : i+1]); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		}, `the download stands still at 0 of 0 MB`, failure.CodeMissing},
		{"not found", wheel, http.NotFound, `the server answers "404 Not Found"`, failure.CodeMissing},
		{"not listed", notListed, serve, `"xla-1-other.whl" cannot be had: the Python Package Index does not list it`, failure.CodeMissing},
		{"no plugin in it", noPlugin, serve, `holds no usable "xla/other.so"`, failure.CodeWork},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			machine := testMachine(t, nil)
			serveWheel(t, machine, test.wheel, test.handler)
			stdout := os.Stdout
			err := machine.cpuPart(false).install(t.Context(), new(progress))
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want one line with %q", err, test.want)
			}
			if code := failure.Code(err); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if left := files(t, machine.Home); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
			if os.Stdout != stdout {
				t.Error("standard output was not given back")
			}
		})
	}
}

func TestCPUPluginInterrupted(t *testing.T) {
	content, wheel := testWheel(t)
	machine := testMachine(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	serveWheel(t, machine, wheel, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		w.Write(content)
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	})
	err := machine.cpuPart(false).install(ctx, new(progress))
	if failure.Code(err) != failure.CodeInterrupted {
		t.Errorf("error %v, want an interrupt", err)
	}
	if left := files(t, machine.Home); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestNoCompiler(t *testing.T) {
	tests := []struct {
		name     string
		programs map[string]string
		env      map[string]string
		want     string
	}{
		{"gcc", map[string]string{"gcc": ""}, nil, ""},
		{"another by CC", map[string]string{"clang": ""}, map[string]string{"CC": "clang -O1"}, ""},
		{"none", nil, nil, "no C compiler"},
		{"switched off", map[string]string{"gcc": ""}, map[string]string{"CGO_ENABLED": "0"}, "CGO_ENABLED is 0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			machine := testMachine(t, test.programs)
			machine.Getenv = func(name string) string { return test.env[name] }
			if why := machine.whyNoPlugins(); !strings.Contains(why, test.want) || test.want == "" && why != "" {
				t.Errorf("why no plugins: %q, want %q", why, test.want)
			}
		})
	}
}
