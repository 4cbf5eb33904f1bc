package provision

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"tokenfuse/kernel/internal/failure"
)

// requirements locks every Python package of the environment, with the checksums of its files, which pip
// compares; environment.yml takes it for conda. It is made of requirements.in, which says how.
//
//go:embed requirements.txt
var requirements string

// forged finds in what pip says the package of which it was given another file than those locked.
var forged = regexp.MustCompile(`(?m)^ +(\S+) from .*\n +Expected sha256`)

// pageConfig keeps JupyterLab from asking each newcomer whether it may fetch news.
const pageConfig = `{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}
`

// oldestPython is the oldest Python that the pinned packages support, as 100 times major + minor.
const oldestPython = 311

// JupyterDir is the Python environment of JupyterLab.
func (m *Machine) JupyterDir() string { return filepath.Join(m.Home, "jupyter") }

// JupyterProgram returns the path of a program in that environment, such as "jupyter-lab".
func (m *Machine) JupyterProgram(name string) string {
	return filepath.Join(m.JupyterDir(), "bin", name)
}

// jupyterStamp is written last: it holds the requirements that are installed. An environment cannot
// be moved, so it is made in place, and without this file it counts as missing.
func (m *Machine) jupyterStamp() string { return filepath.Join(m.JupyterDir(), "tokenfuse.txt") }

func (m *Machine) jupyterPart() part {
	return part{
		title: "JupyterLab " + pinned("jupyterlab"),
		ready: func() bool {
			installed, err := os.ReadFile(m.jupyterStamp())
			// The interpreter is a link to the system's, which may have gone.
			return err == nil && string(installed) == requirements &&
				isFile(m.JupyterProgram("python")) && isFile(m.JupyterProgram("jupyter-lab"))
		},
		install: m.installJupyter,
	}
}

// pinned returns the version that the requirements pin a package to.
func pinned(name string) string {
	for line := range strings.Lines(requirements) {
		if version, ok := strings.CutPrefix(line, name+"=="); ok {
			return strings.Fields(version)[0]
		}
	}
	return ""
}

// python finds the interpreter to make the environment with, and its version.
func (m *Machine) python(ctx context.Context) (path, version string, err error) {
	for _, name := range []string{"python3", "python"} {
		if path, err = m.LookPath(name); err == nil {
			break
		}
	}
	if err != nil {
		return "", "", failure.Missing(m.pythonCure(), "python3 is not on PATH, and JupyterLab needs it")
	}
	said, err := command(ctx, "", nil, path, "-c", "import sys; print(sys.version_info[0]*100 + sys.version_info[1], '.'.join(map(str, sys.version_info[:3])))")
	if err != nil {
		return path, "", err
	}
	var number int
	if _, err := fmt.Sscan(said, &number, &version); err != nil {
		return path, "", failure.Work("%q does not tell its version: %q", path, strings.TrimSpace(said))
	}
	if number < oldestPython {
		return path, version, failure.Missing(m.pythonCure(),
			"%q is Python %s, and JupyterLab needs %d.%d or later", path, version, oldestPython/100, oldestPython%100)
	}
	if _, err := command(ctx, "", nil, path, "-c", "import venv, ensurepip"); err != nil {
		return path, version, failure.Missing(m.pythonCure(), "%q lacks its modules venv and ensurepip", path)
	}
	return path, version, nil
}

// CheckPython says what keeps JupyterLab from being installed here, if anything does.
func (m *Machine) CheckPython(ctx context.Context) error {
	if m.jupyterPart().ready() {
		return nil
	}
	_, _, err := m.python(ctx)
	return err
}

// installJupyter makes the environment afresh; a failure or an interrupt removes it.
func (m *Machine) installJupyter(ctx context.Context, report *progress) (err error) {
	python, _, err := m.python(ctx)
	if err != nil {
		return err
	}
	dir := m.JupyterDir()
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	report.At("making a Python environment")
	if _, err := m.work(ctx, "", os.Environ(), python, "-m", "venv", dir); err != nil {
		return failure.Work("no Python environment: %w", err)
	}
	list := filepath.Join(dir, "requirements.txt")
	if err := os.WriteFile(list, []byte(requirements), 0o644); err != nil {
		return err
	}
	report.At("downloading and installing JupyterLab and what it depends on")
	// Only wheels: to build a package would run what of its build is not locked.
	_, err = m.work(ctx, "", os.Environ(), m.JupyterProgram("python"), "-m", "pip", "install", "--quiet", "--no-input",
		"--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:", "--requirement", list)
	if said := (*complaint)(nil); errors.As(err, &said) {
		if found := forged.FindStringSubmatch(said.said); found != nil {
			return failure.Work("no JupyterLab: %s came with a checksum that kernel/internal/provision/requirements.txt does not have: see where pip takes it from, with pip config list", found[1])
		}
	}
	if err != nil {
		return failure.Missing(SetupCommand+" again once the network is there", "no JupyterLab: %w", err)
	}
	config := filepath.Join(dir, "etc", "jupyter", "labconfig")
	if err := os.MkdirAll(config, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(config, "page_config.json"), []byte(pageConfig), 0o644); err != nil {
		return err
	}
	return os.Rename(list, m.jupyterStamp())
}
