// Package provision installs what Tokenfuse needs around Go, for the user alone and without root:
// GoNB and its tools, the PJRT plugin of XLA, the kernelspec "Go (Tokenfuse)" and JupyterLab.
// Ensure installs what is missing and is quick when nothing is; Machine.Inspect says what is there.
// Each part appears whole, by a rename, or not at all; two setups at once wait for one another.
// Everything but the kernelspec lives in accel.Home().
package provision

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
	"github.com/gomlx/go-xla/installer"

	"tokenfuse/kernel/internal/processes"
	"tokenfuse/lib/accel"
)

// SetupCommand is what cures most of what can be missing.
const SetupCommand = "go run ./kernel setup"

// Options choose which parts Ensure sees to. GoNB, goimports, the plugin for the CPU and the
// kernelspec are always among them.
type Options struct {
	CUDA      bool // also the plugin for NVIDIA GPUs
	NoJupyter bool // not JupyterLab
	RunOnly   bool // only what executing notebooks takes: neither JupyterLab nor gopls
	Checks    bool // also staticcheck, for the test suite
	// Thorough is how the verb setup works: it reads an installed plugin through to compare its
	// checksum, and fails when there is no plugin, without which notebooks run, though slower.
	Thorough bool
}

// Ensure installs what is missing on this machine; see Machine.Ensure.
func Ensure(ctx context.Context, w io.Writer, opts Options) error {
	machine, err := ThisMachine()
	if err != nil {
		return err
	}
	return machine.Ensure(ctx, w, opts)
}

// Machine is what provisioning looks at and changes. ThisMachine fills it in; tests point its
// fields at folders and servers of their own.
type Machine struct {
	OS, Arch    string // as in runtime.GOOS and runtime.GOARCH
	FastVectors bool   // the processor has the vector instructions that GOEXPERIMENT=simd uses

	Checkout    string // the root of this repository
	Home        string // where parts are installed, accel.Home()
	JupyterData string // the user's Jupyter data folder

	// LookPath finds a program, as exec.LookPath; Getenv reads a variable, as os.Getenv.
	LookPath func(program string) (string, error)
	Getenv   func(name string) string
	// PyPI looks a package up on the Python Package Index.
	PyPI func(name string) (*installer.PipPackageInfo, error)
	// Wheels are the pinned downloads of the plugin for the CPU, by "os/arch".
	Wheels map[string]Wheel

	family *processes.Family // the programs that an installation under way has started
}

// ThisMachine describes the machine that the program runs on.
func ThisMachine() (*Machine, error) {
	checkout, err := Checkout()
	if err != nil {
		return nil, err
	}
	home, err := accel.Home()
	if err != nil {
		return nil, err
	}
	jupyterData, err := jupyterDataDir(runtime.GOOS, os.Getenv)
	if err != nil {
		return nil, err
	}
	return &Machine{
		OS:          runtime.GOOS,
		Arch:        runtime.GOARCH,
		FastVectors: hasFastVectors(),
		Checkout:    checkout,
		Home:        home,
		JupyterData: jupyterData,
		LookPath:    exec.LookPath,
		Getenv:      os.Getenv,
		PyPI:        installer.GetPipInfo,
		Wheels:      cpuWheels,
	}, nil
}

// part is one thing to install. ready is quick and touches no network; install puts the part in
// place whole, or leaves nothing, and reports what it is at through the progress.
type part struct {
	title    string // "GoNB v0.11.5"
	ready    func() bool
	install  func(ctx context.Context, report *progress) error
	optional bool // failing to install it is told, but is no error
}

// parts lists what opts ask for, in the order of installation.
func (m *Machine) parts(opts Options) ([]part, error) {
	parts, err := m.toolParts(opts)
	if err != nil {
		return nil, err
	}
	if m.usesPlugins() {
		plugin := m.cpuPart(opts.Thorough)
		plugin.optional = !opts.Thorough
		parts = append(parts, plugin)
		if opts.CUDA {
			parts = append(parts, m.cudaPart())
		}
	}
	// After the plugin, since the cells' environment depends on whether there is one.
	parts = append(parts, m.kernelSpecPart())
	if !opts.NoJupyter && !opts.RunOnly {
		parts = append(parts, m.jupyterPart())
	}
	return parts, nil
}

// Ensure installs the parts that opts ask for and that are missing, one after the other, telling w
// about each. A part that fails does not keep the others from being installed. With nothing to
// install it prints nothing, asks no network, and takes a few hundredths of a second.
func (m *Machine) Ensure(ctx context.Context, w io.Writer, opts Options) error {
	if opts.CUDA {
		if err := m.checkCUDA(); err != nil {
			return err
		}
	}
	parts, err := m.parts(opts)
	if err != nil {
		return err
	}
	if !anyMissing(parts) && !m.unfinished() {
		return nil
	}
	if !m.usesPlugins() {
		fmt.Fprintf(w, "setup: %s; using the pure Go backend, which is slower\n", m.whyNoPlugins())
	}
	return m.install(ctx, w, parts)
}

// install installs the parts that are not ready, while no other setup does.
func (m *Machine) install(ctx context.Context, w io.Writer, parts []part) (err error) {
	unlock, err := m.lock(ctx, w)
	if err != nil {
		return err
	}
	defer unlock()
	if m.family, err = processes.New(); err != nil {
		return fmt.Errorf("setup: no temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, m.family.Close()) }()
	if err := os.RemoveAll(m.stagingDir()); err != nil {
		return err
	}
	var failed []error
	for _, part := range parts {
		if part.ready() {
			continue
		}
		err := run(ctx, w, part.title, part.install)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && !part.optional {
			failed = append(failed, err)
		}
	}
	if len(failed) > 1 {
		// One line for the command to end with; run has told of each already.
		return fmt.Errorf("%w (and %d more, above)", failed[0], len(failed)-1)
	}
	return errors.Join(failed...)
}

func anyMissing(parts []part) bool {
	for _, part := range parts {
		if !part.ready() {
			return true
		}
	}
	return false
}

// lock keeps a second setup out of Home until unlock is called. The lock goes with the process.
func (m *Machine) lock(ctx context.Context, w io.Writer) (unlock func() error, err error) {
	if err := os.MkdirAll(m.Home, 0o755); err != nil {
		return nil, fmt.Errorf("setup: cannot install in %q (set TOKENFUSE_HOME to another folder): %w", m.Home, err)
	}
	lock := flock.New(filepath.Join(m.Home, ".lock"))
	locked, err := lock.TryLock()
	if err == nil && !locked {
		fmt.Fprintln(w, "setup: another setup is at work, waiting for it")
		_, err = lock.TryLockContext(ctx, 200*time.Millisecond)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("setup: cannot lock %q: %w", m.Home, err)
	}
	return lock.Unlock, nil
}

// staging makes an empty folder within Home for a part to be put together in, on the same file
// system as its place; what an earlier, killed setup left there is removed first.
func (m *Machine) staging() (dir string, remove func(), err error) {
	dir = m.stagingDir()
	if err := os.RemoveAll(dir); err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	return dir, func() { os.RemoveAll(dir) }, nil
}

func (m *Machine) stagingDir() string { return filepath.Join(m.Home, ".staging") }

// unfinished says whether a setup is at work, or was killed in the midst of it.
func (m *Machine) unfinished() bool {
	_, err := os.Stat(m.stagingDir())
	return err == nil
}

// isFile says whether path is a regular file, links followed.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
