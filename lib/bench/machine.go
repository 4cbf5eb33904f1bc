package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/gomlx/compute"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/result"
)

// Machine describes what a backend runs on; config is what made the backend, in the form of
// GOMLX_BACKEND. What cannot be found out stays empty.
func Machine(config string, backend compute.Backend) result.Machine {
	m := result.Machine{
		CPU: Processor(), Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Plugin: plugin(config), Flags: os.Getenv("XLA_FLAGS"),
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			switch module.Path {
			case "github.com/gomlx/gomlx":
				m.GoMLX = module.Version
			case "github.com/gomlx/go-xla":
				m.GoXLA = module.Version
			}
		}
	}
	if accel.Name(backend) == "XLA CUDA" {
		m.Device = Accelerator()
	}
	return m
}

// Accelerator returns name, memory and driver of the NVIDIA GPU; empty where there is none.
func Accelerator() string {
	return firstLineOf("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
}

// Processor returns the processor's name; empty where the system does not say.
func Processor() string {
	if runtime.GOOS == "darwin" {
		return firstLineOf("sysctl", "-n", "machdep.cpu.brand_string")
	}
	info, _ := os.ReadFile("/proc/cpuinfo") // empty where there is none
	for line := range bytes.Lines(info) {
		if key, value, _ := bytes.Cut(line, []byte(":")); string(bytes.TrimSpace(key)) == "model name" {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// plugin names an XLA plugin by its file, without its folder, with the version that was installed and
// the options that it is run with.
func plugin(config string) string {
	path, ok := strings.CutPrefix(config, "xla:")
	if !ok {
		return ""
	}
	path, options, given := strings.Cut(path, ",")
	name := filepath.Base(path)
	var installed struct{ Version string }
	if text, err := os.ReadFile(path + ".json"); err == nil && json.Unmarshal(text, &installed) == nil && installed.Version != "" {
		name += " (" + installed.Version + ")"
	}
	if given {
		name += ", " + options
	}
	return name
}

// Load returns how many processes wanted to run in the last minute, on average; 0 where the system does
// not say. Much above 0, another program is measured too.
func Load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, _ := strconv.ParseFloat(first, 64) // 0 if it is no number
	return load
}

func firstLineOf(command string, args ...string) string {
	out, err := exec.Command(command, args...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}
