//go:build cgo && (linux || darwin)

package accel

import (
	"path/filepath"
	"slices"
	"strings"

	_ "github.com/gomlx/go-xla/compute/xla" // the backend "xla"
	"github.com/gomlx/go-xla/pjrt"

	"tokenfuse/lib/native"
)

// xlaLinked reports whether this program can load PJRT plugins.
const xlaLinked = true

// The names under which go-xla registers its backend.
var xlaNames = []string{"xla", "stablehlo", "hlo", "shlo"}

// prepared holds the plugins that prepare was called for, by the names that configurations give them.
var prepared = map[string]bool{}

// prepare puts the compile cache, and package native, before the plugin that a configuration names, the first time that it
// is named, and sets XLA's flags. Where that is not possible the plugin stays as it is: go-xla loads it, and says what is
// wrong with it. Not for several goroutines.
func prepare(config string) {
	backend, options, _ := strings.Cut(config, ":")
	name, _, _ := strings.Cut(options, ",")
	if !slices.Contains(xlaNames, backend) || prepared[name] {
		return
	}
	prepared[name] = true
	path := name
	if !filepath.IsAbs(path) {
		path = pjrt.AvailablePlugins()[name]
	}
	setFlags(path)
	p, api := wrap(name, path)
	if p == nil || pjrt.RegisterPreloadedPlugin(name, api) != nil {
		return
	}
	if p.native {
		native.ServedBy(name)
	}
}
