// Package accel chooses where graphs run: an XLA plugin (CUDA, then CPU), else GoMLX's pure Go
// backend, which needs nothing installed and is slower. GOMLX_BACKEND, when set, decides alone.
//
// `go run ./kernel setup` installs the plugins into [PluginDir].
package accel

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // the backend "go"
)

// Backend returns the process's backend, made on the first call.
var Backend = sync.OnceValues(func() (compute.Backend, error) { return New(Choice()) })

// Choice returns the configuration that Backend uses, in the form of GOMLX_BACKEND: that variable if
// it is set, else "xla:" with the first plugin installed, CUDA before CPU, else "go".
func Choice() string {
	if config, ok := os.LookupEnv(compute.ConfigEnvVar); ok && config != "" {
		return config
	}
	if dir, err := PluginDir(); err == nil && xlaLinked {
		for _, platform := range []string{"cuda", "cpu"} {
			// Links are followed first: a plugin finds the libraries beside it by its own folder.
			path, err := filepath.EvalSymlinks(filepath.Join(dir, "pjrt_"+platform+".so"))
			if err != nil {
				continue
			}
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return "xla:" + path
			}
		}
	}
	return "go"
}

// New makes a backend from a configuration in the form of GOMLX_BACKEND: "go", "xla:/path/plugin.so".
func New(config string) (backend compute.Backend, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
		if err != nil {
			backend = nil
			err = fmt.Errorf("accel: no backend %q: %s: run `go run ./kernel doctor`, or set GOMLX_BACKEND=go", config, FirstLine(err))
		}
	}()
	if name, _, _ := strings.Cut(config, ":"); !xlaLinked && name == "xla" {
		return nil, fmt.Errorf("this program was built without cgo, which XLA needs (install a C compiler)")
	}
	prepare(config)
	return compute.NewWithConfig(config)
}

// Name says in a few words where a backend runs: "XLA CPU", "XLA CUDA", "Go".
func Name(backend compute.Backend) string {
	description := strings.ToLower(backend.Description())
	switch {
	case !strings.Contains(description, "xla") && !strings.Contains(description, "pjrt"):
		return "Go" // the one other backend that is linked
	case strings.Contains(description, "cuda") || strings.Contains(description, "gpu"):
		return "XLA CUDA"
	}
	return "XLA CPU"
}

// FirstLine returns an error's message as one line for a user: GoMLX wraps a panic of graph code in
// the name of its executor, and appends stack traces.
func FirstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	if i := strings.LastIndex(line, " panicked: "); i >= 0 {
		line = line[i+len(" panicked: "):]
	}
	return line
}

// Try runs f, which may build graphs, and returns its panic as an error of one line.
func Try(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case error:
			err = fmt.Errorf("%s", FirstLine(r))
		default:
			err = fmt.Errorf("%s", FirstLine(fmt.Errorf("%v", r)))
		}
	}()
	f()
	return nil
}
