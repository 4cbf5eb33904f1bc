package provision

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tokenfuse/kernel/internal/failure"
)

// tool is a Go program pinned by kernel/tools/go.mod and installed in Home/bin.
type tool struct {
	name, title string
	pkg, module string // what to build, and the module that it belongs to
	version     string
	slow        string // what to say of a build that takes long
}

// tools returns the programs that opts ask for, with their pinned versions.
func (m *Machine) tools(opts Options) ([]tool, error) {
	tools := []tool{
		{name: "gonb", title: "GoNB", pkg: "github.com/janpfeifer/gonb", module: "github.com/janpfeifer/gonb"},
		{name: "goimports", title: "goimports", pkg: "golang.org/x/tools/cmd/goimports", module: "golang.org/x/tools"},
	}
	if !opts.RunOnly {
		tools = append(tools, tool{name: "gopls", title: "gopls", pkg: "golang.org/x/tools/gopls",
			module: "golang.org/x/tools/gopls", slow: ", about a minute"})
	}
	if opts.Checks {
		tools = append(tools, tool{name: "staticcheck", title: "staticcheck", pkg: "honnef.co/go/tools/cmd/staticcheck",
			module: "honnef.co/go/tools"})
	}
	pins, err := m.Modules(context.Background(), filepath.Join(m.Checkout, "kernel", "tools", "go.mod"))
	if err != nil {
		return nil, err
	}
	for i := range tools {
		version, ok := pins[tools[i].module]
		if !ok {
			return nil, fmt.Errorf("setup: kernel/tools/go.mod requires no %q: restore it from the repository", tools[i].module)
		}
		tools[i].version = version
	}
	return tools, nil
}

// Modules returns the versions that a go.mod requires, by the modules' paths.
func (m *Machine) Modules(ctx context.Context, path string) (map[string]string, error) {
	goCommand, err := m.goCommand()
	if err != nil {
		return nil, err
	}
	listed, err := command(ctx, m.Checkout, nil, goCommand, "mod", "edit", "-json", path)
	if err != nil {
		return nil, err
	}
	var mod struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal([]byte(listed), &mod); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	versions := make(map[string]string, len(mod.Require))
	for _, required := range mod.Require {
		versions[required.Path] = required.Version
	}
	return versions, nil
}

func (m *Machine) toolParts(opts Options) ([]part, error) {
	tools, err := m.tools(opts)
	if err != nil {
		return nil, err
	}
	var parts []part
	for _, tool := range tools {
		parts = append(parts, part{
			title:   tool.title + " " + tool.version,
			ready:   func() bool { return builtVersion(m.Tool(tool.name), tool.module) == tool.version },
			install: func(ctx context.Context, report *progress) error { return m.installTool(ctx, report, tool) },
		})
	}
	return parts, nil
}

// Tool returns the path of an installed tool, such as "gonb".
func (m *Machine) Tool(name string) string { return filepath.Join(m.Home, "bin", name) }

// builtVersion returns the version of the program at path, which Go writes into what it builds; ""
// where there is no such program of that module.
func builtVersion(path, module string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return ""
	}
	if info.Main.Path != module {
		return ""
	}
	return info.Main.Version
}

// installTool builds one tool aside and moves it into Home/bin.
func (m *Machine) installTool(ctx context.Context, report *progress, tool tool) error {
	goCommand, err := m.goCommand()
	if err != nil {
		return err
	}
	staging, remove, err := m.staging()
	if err != nil {
		return err
	}
	defer remove()
	report.At("downloading and compiling%s", tool.slow)
	// Neither the flags nor the workspace of the user's own work apply to building a tool, and no tool
	// needs a C compiler.
	env := append(os.Environ(), "GOBIN="+staging, "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	if _, err := m.work(ctx, filepath.Join(m.Checkout, "kernel", "tools"), env, goCommand, "install", tool.pkg); err != nil {
		return failure.Work("%s %s does not build: %w", tool.name, tool.version, err)
	}
	place := m.Tool(tool.name)
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return err
	}
	return os.Rename(filepath.Join(staging, tool.name), place)
}

// goCommand finds the go command itself, even when PATH leads to the one of notebook cells.
func (m *Machine) goCommand() (string, error) {
	found, err := m.LookPath("go")
	if err != nil {
		return "", failure.Missing("export PATH=$PATH:/usr/local/go/bin, or install Go from https://go.dev/dl", "go is not on PATH")
	}
	root, err := command(context.Background(), m.Checkout, nil, found, "env", "GOROOT")
	return filepath.Join(strings.TrimSpace(root), "bin", "go"), err
}

// goVersion returns the version of the go command: "1.26.8".
func (m *Machine) goVersion(ctx context.Context) (path, version string, err error) {
	if path, err = m.goCommand(); err != nil {
		return "", "", err
	}
	said, err := command(ctx, m.Checkout, nil, path, "env", "GOVERSION")
	return path, strings.TrimPrefix(strings.TrimSpace(said), "go"), err
}
