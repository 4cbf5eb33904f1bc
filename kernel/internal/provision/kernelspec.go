package provision

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"

	"golang.org/x/sys/cpu"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/jupyter"
)

// cellGo is the go command that cells find on PATH.
//
//go:embed cellgo.sh
var cellGo string

// KernelName is the name of Tokenfuse's kernelspec. A user's own "gonb" is never touched.
const KernelName = "tokenfuse"

// KernelSpec returns how the kernel "Go (Tokenfuse)" is started for this checkout.
func KernelSpec() (jupyter.Spec, error) {
	machine, err := ThisMachine()
	if err != nil {
		return jupyter.Spec{}, err
	}
	return machine.KernelSpec()
}

// KernelSpec returns how the kernel is started: GoNB, with the checkout in each notebook's workspace
// so that its cells import tokenfuse as it stands there.
func (m *Machine) KernelSpec() (jupyter.Spec, error) {
	goCommand, err := m.goCommand()
	if err != nil {
		return jupyter.Spec{}, err
	}
	env := map[string]string{
		// GoNB runs go and goimports for each cell, and finds them on PATH.
		"PATH":               m.cellBin() + ":" + filepath.Join(m.Home, "bin") + ":" + filepath.Dir(goCommand) + ":${PATH}",
		"TOKENFUSE_HOME":     m.Home,
		"TOKENFUSE_CHECKOUT": m.Checkout,
		"TOKENFUSE_GO":       goCommand,
		// XLA's start-up messages would land in every cell's output.
		"TF_CPP_MIN_LOG_LEVEL": "3",
	}
	maps.Copy(env, m.goBackendEnv())
	return jupyter.Spec{
		Argv:          []string{m.Tool("gonb"), "--kernel", "{connection_file}", "-go_work=" + m.Checkout},
		Env:           env,
		DisplayName:   "Go (Tokenfuse)",
		Language:      "go",
		InterruptMode: "message",
		Metadata:      map[string]any{"debugger": false},
	}, nil
}

// goBackendEnv is the environment of cells where no plugin can be used: without a C compiler they are
// built without C, and where the processor allows with Go's vector instructions, for speed.
func (m *Machine) goBackendEnv() map[string]string {
	env := map[string]string{}
	if !m.usesPlugins() {
		env["CGO_ENABLED"] = "0"
	} else if isFile(m.cpuPlugin()) {
		return env
	}
	if m.FastVectors && m.Getenv("GOEXPERIMENT") == "" {
		env["GOEXPERIMENT"] = "simd"
	}
	return env
}

func hasFastVectors() bool { return cpu.X86.HasAVX2 }

// SpecDir is the folder of the kernelspec.
func (m *Machine) SpecDir() string { return filepath.Join(m.JupyterData, "kernels", KernelName) }

// cellBin is a folder for the cells' go command alone, on no PATH but theirs.
func (m *Machine) cellBin() string { return filepath.Join(m.Home, "cells") }

func (m *Machine) kernelSpecPart() part {
	return part{
		title: `kernel "Go (Tokenfuse)"`,
		ready: func() bool {
			if script, err := os.ReadFile(filepath.Join(m.cellBin(), "go")); err != nil || string(script) != cellGo {
				return false
			}
			want, err := m.KernelSpec()
			if err != nil {
				return false
			}
			found, err := jupyter.ReadSpec(m.SpecDir())
			return err == nil && reflect.DeepEqual(found, want)
		},
		install: func(context.Context, *progress) error {
			spec, err := m.KernelSpec()
			if err != nil {
				return err
			}
			if err := m.installCellGo(); err != nil {
				return err
			}
			if err := spec.WriteFile(m.SpecDir()); err != nil {
				return fmt.Errorf("cannot write the kernelspec (set JUPYTER_DATA_DIR to another folder): %w", err)
			}
			return nil
		},
	}
}

// installCellGo writes the cells' go command.
func (m *Machine) installCellGo() error {
	staging, remove, err := m.staging()
	if err != nil {
		return err
	}
	defer remove()
	if err := os.MkdirAll(m.cellBin(), 0o755); err != nil {
		return err
	}
	script := filepath.Join(staging, "go")
	if err := os.WriteFile(script, []byte(cellGo), 0o755); err != nil {
		return err
	}
	return os.Rename(script, filepath.Join(m.cellBin(), "go"))
}

// jupyterDataDir returns the folder of the user's Jupyter data, by the rules of Jupyter.
func jupyterDataDir(system string, getenv func(string) string) (string, error) {
	if dir := getenv("JUPYTER_DATA_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	home := getenv("HOME")
	if home == "" {
		return "", failure.Missing("export HOME=your-folder", "no home folder for the kernelspec")
	}
	if system == "darwin" {
		return filepath.Join(home, "Library", "Jupyter"), nil
	}
	if dir := getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "jupyter"), nil
	}
	return filepath.Join(home, ".local", "share", "jupyter"), nil
}
