package provision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gomlx/go-xla/installer"

	"tokenfuse/kernel/internal/failure"
)

// Wheel is a pinned file of a release on the Python Package Index, and the plugin within it.
type Wheel struct {
	Package, Version, File string
	SHA256                 string
	Bytes                  int64
	Plugin                 string // the plugin's name in the wheel
}

// cpuWheels are the wheels with XLA's plugin for the CPU. Other platforms take the plugin from
// go-xla's own releases.
var cpuWheels = map[string]Wheel{
	"linux/amd64": {
		Package: "xla-cpu-pjrt", Version: "0.0.1", File: "xla_cpu_pjrt-0.0.1-py3-none-manylinux_2_27_x86_64.whl",
		SHA256: "55837b6b7b47daa717f2d9a5a03563ea0ceaa338d06a81a1e2d3f060d960decc", Bytes: 63461052,
		Plugin: "xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so",
	},
	"linux/arm64": {
		Package: "xla-cpu-pjrt", Version: "0.0.1", File: "xla_cpu_pjrt-0.0.1-py3-none-manylinux_2_27_aarch64.whl",
		SHA256: "8f613be6e891858f40d64f9799319502fff42689661944fc18a6ffd8210b30c9", Bytes: 49514947,
		Plugin: "xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so",
	},
}

// origin is written beside an installed plugin: where it came from and what it must look like.
type origin struct {
	Version string `json:"version"`          // "xla-cpu-pjrt 0.0.1"
	Source  string `json:"source,omitempty"` // checksum of the wheel
	SHA256  string `json:"sha256"`           // checksum of the plugin
	Bytes   int64  `json:"bytes"`
}

func (m *Machine) cpuPlugin() string  { return filepath.Join(m.Home, "pjrt", "pjrt_cpu.so") }
func (m *Machine) cudaPlugin() string { return filepath.Join(m.Home, "pjrt", "pjrt_cuda.so") }

// usesPlugins says whether programs can load plugins here: that takes cgo, hence a C compiler.
func (m *Machine) usesPlugins() bool { return m.whyNoPlugins() == "" }

func (m *Machine) whyNoPlugins() string {
	if m.Getenv("CGO_ENABLED") == "0" {
		return "CGO_ENABLED is 0, so programs cannot load XLA"
	}
	if _, err := m.compiler(); err != nil {
		return "there is no C compiler, so programs cannot load XLA"
	}
	return ""
}

// compiler finds the C compiler that go uses.
func (m *Machine) compiler() (string, error) {
	if words := strings.Fields(m.Getenv("CC")); len(words) > 0 {
		return m.LookPath(words[0])
	}
	if m.OS == "darwin" {
		return m.LookPath("clang")
	}
	return m.LookPath("gcc")
}

func (m *Machine) cpuVersion() string {
	if wheel, ok := m.Wheels[m.OS+"/"+m.Arch]; ok {
		return wheel.Package + " " + wheel.Version
	}
	return "pjrt-cpu-binaries " + releasedVersion
}

func (m *Machine) cpuPart(verify bool) part {
	return part{
		title: "XLA for the CPU (" + m.cpuVersion() + ")",
		ready: func() bool {
			found, err := readOrigin(m.cpuPlugin(), verify)
			return err == nil && found.Version == m.cpuVersion()
		},
		install: func(ctx context.Context, report *progress) error {
			if wheel, ok := m.Wheels[m.OS+"/"+m.Arch]; ok {
				return m.installWheel(ctx, report, wheel)
			}
			return m.installRelease(ctx, report)
		},
	}
}

// readOrigin reads where an installed plugin came from; it is an error when the plugin is missing
// or not the one described: by its size, and if verify is set by its checksum.
func readOrigin(plugin string, verify bool) (origin, error) {
	var found origin
	content, err := os.ReadFile(plugin + ".json")
	if err != nil {
		return found, err
	}
	if err := json.Unmarshal(content, &found); err != nil {
		return found, fmt.Errorf("%q: %w", plugin+".json", err)
	}
	info, err := os.Stat(plugin)
	if err != nil {
		return found, err
	}
	if info.Size() != found.Bytes {
		return found, fmt.Errorf("%q is damaged: %d bytes instead of %d", plugin, info.Size(), found.Bytes)
	}
	if verify {
		sum, _, err := checksum(plugin)
		if err != nil {
			return found, err
		}
		if sum != found.SHA256 {
			return found, fmt.Errorf("%q is damaged: its checksum is %s instead of %s", plugin, sum, found.SHA256)
		}
	}
	return found, nil
}

// place moves a plugin, or a link to one, from the staging folder to its place, and describes beside
// it what content is, the plugin's own file.
func (m *Machine) place(staged, content, plugin string, from origin) error {
	var err error
	if from.SHA256, from.Bytes, err = checksum(content); err != nil {
		return err
	}
	description, err := json.MarshalIndent(from, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(staged+".json", append(description, '\n'), 0o644); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(plugin), 0o755); err != nil {
		return err
	}
	// The description goes last: a plugin without it, or with an old one, is installed again.
	if err := os.Rename(staged, plugin); err != nil {
		return err
	}
	return os.Rename(staged+".json", plugin+".json")
}

// installWheel takes the plugin from its wheel.
func (m *Machine) installWheel(ctx context.Context, report *progress, wheel Wheel) error {
	staging, remove, err := m.staging()
	if err != nil {
		return err
	}
	defer remove()
	report.At("asking the Python Package Index")
	var downloaded string
	err = watched(ctx, report, staging, wheel.Bytes, func() (err error) {
		downloaded, err = m.fetchWheel(wheel)
		return err
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return failure.Missing(SetupCommand+" again once the network is there", "%q cannot be had: %w", wheel.File, err)
	}
	report.At("unpacking")
	staged := filepath.Join(staging, "plugin.so")
	if err := installer.ExtractFileFromZip(downloaded, wheel.Plugin, staged); err != nil {
		return failure.Work("%q holds no usable %q: %w", wheel.File, wheel.Plugin, err)
	}
	return m.place(staged, staged, m.cpuPlugin(), origin{Version: wheel.Package + " " + wheel.Version, Source: wheel.SHA256})
}

// fetchWheel looks a wheel up and downloads it into the temporary folder, checking its checksum.
func (m *Machine) fetchWheel(wheel Wheel) (path string, err error) {
	info, err := m.PyPI(wheel.Package)
	if err != nil {
		return "", err
	}
	for _, release := range info.Releases[wheel.Version] {
		if release.Filename == wheel.File {
			path, _, err = installer.DownloadURLToTemp(release.URL, wheel.File, wheel.SHA256, false, installer.Quiet)
			return path, err
		}
	}
	return "", fmt.Errorf("the Python Package Index does not list it")
}

// checksum returns the SHA-256 of a file, in hexadecimal, and its size.
func checksum(path string) (sum string, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	hash := sha256.New()
	if size, err = io.Copy(hash, file); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(hash.Sum(nil)), size, nil
}
