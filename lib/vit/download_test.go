package vit

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/weights"
)

// modelsOf serves a folder as a mirror, counts requests, and makes the user's cache an empty one.
func modelsOf(t *testing.T, dir string) (mirror string, requests *atomic.Int64) {
	t.Helper()
	cache := t.TempDir()
	for _, name := range []string{"XDG_CACHE_HOME", "HOME"} { // Linux, macOS
		t.Setenv(name, cache)
	}
	t.Setenv("TOKENFUSE_MODELS", "")
	requests = new(atomic.Int64)
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

// small is a checkpoint of a tiny model, in a file with its head under head.bias.
func small(t *testing.T, dir, file string, value float32) Config {
	t.Helper()
	c := tiny(false)
	m, err := New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	all, err := m.Weights()
	if err != nil {
		t.Fatal(err)
	}
	bias := make([]float32, c.Classes)
	bias[0] = value
	all["head.bias"] = tensors.FromFlatDataAndDimensions(bias, c.Classes)
	if err := weights.Write(filepath.Join(dir, file), &weights.File{Tensors: all}); err != nil {
		t.Fatal(err)
	}
	return c
}

// head is the value by which small's files are told apart.
func head(t *testing.T, m *Model, err error) float32 {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	all, err := m.Weights()
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](all["head.bias"])[0]
}

func TestLoadDownloads(t *testing.T) {
	remote := t.TempDir()
	c := small(t, remote, "official.safetensors", 5)
	mirror, requests := modelsOf(t, remote)
	var said strings.Builder
	s := newSource([]LoadOption{WithProgress(&said), WithMirror(mirror + "/")})
	s.checkpoints = map[string]checkpoint{"mine": {url: "https://example.invalid/official.safetensors", file: "official.safetensors"}}

	m, err := s.load("mine", c)
	if got := head(t, m, err); got != 5 || m.Name != "mine" {
		t.Errorf("%s has %v, want mine with 5", m.Name, got)
	}
	for _, want := range []string{"downloading official.safetensors", "no checksum of official.safetensors is published"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q does not say %q", &said, want)
		}
	}
	if m, err := s.load("mine", c); head(t, m, err) != 5 || requests.Load() != 1 {
		t.Errorf("%d requests for one file loaded twice, want 1", requests.Load())
	}

	// A folder of the user's comes first, and asks no server.
	own := t.TempDir()
	t.Setenv("TOKENFUSE_MODELS", own)
	if m, err := s.load("mine", c); head(t, m, err) != 5 {
		t.Error("an empty folder hides the cache")
	}
	for i, file := range []string{"mine.pth", "mine.safetensors", "official.safetensors"} {
		small(t, own, file, float32(i))
		if m, err := s.load("mine", c); head(t, m, err) != float32(i) {
			t.Errorf("%s was not preferred", file)
		}
	}
	if requests.Load() != 1 {
		t.Errorf("%d requests, want 1", requests.Load())
	}
}

func TestLoadRefusals(t *testing.T) {
	remote := t.TempDir()
	small(t, remote, "deit_tiny_patch16_224-a1311bcf.pth", 1)
	if err := os.WriteFile(filepath.Join(remote, "page.pth"), []byte("<html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := small(t, remote, "small.pth", 1)
	wide := c
	wide.Classes++
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, test := range map[string]struct {
		model   string
		config  Config
		folder  string
		ctx     context.Context
		want    string
		weights bool // whether ErrNoWeights is met
	}{
		"not the official file": {model: "deit_tiny_patch16_224", config: c, want: `not "a1311bcf": the server has another file: put deit_tiny_patch16_224-a1311bcf.pth into a folder that TOKENFUSE_MODELS names, or load a checkpoint with vit.FromFile`, weights: true},
		"not there":             {model: "deit_small_patch16_224", config: c, want: `the server answers "404 Not Found"`, weights: true},
		"none known":            {model: "nobodys", config: c, want: "vit: no weights of nobodys", weights: true},
		"no checkpoint":         {model: "page", config: c, want: "page.pth: not a safetensors file, nor a PyTorch checkpoint"},
		"another model":         {model: "small", config: wide, want: "small.pth)"},
		"no folder":             {model: "small", config: c, folder: "/dev/null/gone", want: `TOKENFUSE_MODELS is "/dev/null/gone", which is no folder`},
		"interrupted":           {model: "deit_small_patch16_224", config: c, ctx: cancelled, want: "context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			mirror, _ := modelsOf(t, remote)
			t.Setenv("TOKENFUSE_MODELS", test.folder)
			options := []LoadOption{WithProgress(io.Discard), WithMirror(mirror)}
			if test.ctx != nil {
				options = append(options, WithContext(test.ctx))
			}
			s := newSource(options)
			s.checkpoints["page"], s.checkpoints["small"] = checkpoint{file: "page.pth"}, checkpoint{file: "small.pth"}
			_, err := s.load(test.model, test.config)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v does not say %q in one line", err, test.want)
			}
			if errors.Is(err, ErrNoWeights) != test.weights {
				t.Errorf("ErrNoWeights is met: %v, want %v", !test.weights, test.weights)
			}
		})
	}
}

// TestLevel: where the authors evaluate averaged weights, those are taken.
func TestLevel(t *testing.T) {
	remote := t.TempDir()
	mirror, _ := modelsOf(t, remote)
	c := tiny(false)
	averaged(t, filepath.Join(remote, "a.pth"), c)
	for level, want := range map[string]float32{"": 1, "state_dict_ema": 2} {
		s := newSource([]LoadOption{WithProgress(io.Discard), WithMirror(mirror)})
		s.checkpoints = map[string]checkpoint{"a": {file: "a.pth", level: level}}
		if m, err := s.load("a", c); head(t, m, err) != want {
			t.Errorf("the weights are not those of level %q", level)
		}
	}
}

// averaged writes a checkpoint as torch.save does, all of whose parameters are 1 under state_dict and 2
// under state_dict_ema: each level is one number, expanded.
func averaged(t *testing.T, path string, c Config) {
	t.Helper()
	text := func(s string) string { return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s }
	pickle := "\x80\x02}("
	for key, level := range []string{"state_dict", "state_dict_ema"} {
		storage := "(" + text("storage") + "ctorch\nFloatStorage\n" + text(fmt.Sprint(key)) + text("cpu") + "K\x01tQ"
		pickle += text(level) + "}("
		for name, dims := range c.Parameters() {
			sizes, strides := "(", "("
			for _, d := range dims {
				sizes, strides = sizes+"M"+string(binary.LittleEndian.AppendUint16(nil, uint16(d))), strides+"K\x00"
			}
			pickle += text(name) + "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + "K\x00" + sizes + "t" + strides + "t\x89NtR"
		}
		pickle += "u"
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, record := range map[string]string{"data.pkl": pickle + "u.", "data/0": "\x00\x00\x80\x3f", "data/1": "\x00\x00\x00\x40"} {
		f, err := w.CreateHeader(&zip.FileHeader{Name: "archive/" + name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte(record))
	}
	if err := errors.Join(w.Close(), os.WriteFile(path, out.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// TestCheckpoints: each is of a file of its own, from a server that speaks TLS, for a model of that name.
func TestCheckpoints(t *testing.T) {
	files := map[string]string{}
	for name, c := range checkpoints() {
		if !strings.HasPrefix(c.url, "https://") || path.Base(c.file) != c.file {
			t.Errorf("%s: %+v", name, c)
		}
		if other, ok := files[c.file]; ok {
			t.Errorf("%s and %s are both in %s", name, other, c.file)
		}
		files[c.file] = name
		if c.sha256 != "" && !strings.Contains(c.file, c.sha256) {
			t.Errorf("%s: the digits of %s are not those of its name", name, c.file)
		}
	}
	without := map[string]bool{"vit_fmnist_patch4_28": true, "vit_cfmnist_patch4_48": true, "vit_cfmnist_patch4_64": true, // come with Tokenfuse, or will
		"lvvit_l": true, "vit_large_patch32_224": true, "vit_tiny_patch32_224": true} // published at other image sizes, or not at all
	all := checkpoints()
	for _, m := range Models() {
		if _, ok := all[m.Name]; ok == without[m.Name] {
			t.Errorf("%s has a checkpoint: %v", m.Name, ok)
		}
		delete(all, m.Name)
	}
	for name := range all {
		t.Errorf("%s is no model", name)
	}
}

func ExampleLoad() {
	m, err := Load("vit_fmnist_patch4_28")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Name, m.Config.Classes)
	// Output: vit_fmnist_patch4_28 10
}
