// Package provisiontest gives tests what setup installs. A test does without what was never asked for, and
// fails without what an installation should hold: else a gap in that would pass for a test.
package provisiontest

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"tokenfuse/kernel/internal/jupyter"
	"tokenfuse/kernel/internal/provision"
)

// GoNB returns the spec of the installed kernel. Short tests are left out.
func GoNB(t *testing.T) jupyter.Spec {
	t.Helper()
	if testing.Short() {
		t.Skip("needs GoNB, a build for each cell")
	}
	spec, err := provision.KernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(spec.Argv[0]); err != nil {
		t.Fatalf("GoNB is not installed: run %s (%v)", provision.SetupCommand, err)
	}
	return spec
}

// missing prints those of its arguments that are no modules here.
const missing = `import sys, importlib.util as u; print(*[m for m in sys.argv[1:] if not u.find_spec(m)])`

// Python returns the interpreter of the JupyterLab that setup installs, which must have the modules. Where
// there is no JupyterLab (setup --no-jupyter, or no Python to make it of) the test is left out.
func Python(t *testing.T, modules ...string) string {
	t.Helper()
	machine, err := provision.ThisMachine()
	if err != nil {
		t.Fatal(err)
	}
	python := machine.JupyterProgram("python")
	if _, err := os.Lstat(machine.JupyterDir()); os.IsNotExist(err) {
		t.Skipf("JupyterLab is not installed: run %s", provision.SetupCommand)
	}
	said, err := exec.CommandContext(t.Context(), python, append([]string{"-c", missing}, modules...)...).CombinedOutput()
	if lacks := strings.TrimSpace(string(said)); err != nil || lacks != "" {
		t.Fatalf("the Python of JupyterLab lacks %s: run %s (%v)", lacks, provision.SetupCommand, err)
	}
	return python
}
