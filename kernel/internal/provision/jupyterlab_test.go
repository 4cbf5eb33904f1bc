package provision

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"tokenfuse/kernel/internal/failure"
)

// fakePython answers what is asked of an interpreter, and makes environments with a pip that notes
// what it was told, or fails.
func fakePython(number, version, pip string) string {
	return `case "$*" in
*version_info*) echo ` + number + ` ` + version + ` ;;
*ensurepip*) ;;
"-m venv "*) mkdir -p "$3/bin" && touch "$3/bin/jupyter-lab" && cat > "$3/bin/python" <<'EOF'
#!/bin/sh
` + pip + `
EOF
chmod +x "$3/bin/python" ;;
esac`
}

func TestJupyterLab(t *testing.T) {
	machine := testMachine(t, map[string]string{"python3": fakePython("311", "3.11.2", "exit 0")})
	lab := machine.jupyterPart()
	if lab.ready() {
		t.Fatal("ready before it is installed")
	}
	if err := lab.install(t.Context(), new(progress)); err != nil {
		t.Fatal(err)
	}
	if !lab.ready() {
		t.Error("not ready after it is installed")
	}
	if err := os.WriteFile(machine.jupyterStamp(), []byte("jupyterlab==1.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if lab.ready() {
		t.Error("an environment of other versions counts as ready")
	}
}

func TestJupyterLabFailures(t *testing.T) {
	tests := []struct {
		name     string
		programs map[string]string
		want     string
	}{
		{"no Python", nil, "python3 is not on PATH"},
		{"old Python", map[string]string{"python3": fakePython("309", "3.9.2", "")}, "is Python 3.9.2, and JupyterLab needs 3.11 or later"},
		{"no venv", map[string]string{"python3": `case "$*" in *ensurepip*) exit 1 ;; *) echo 311 3.11.2 ;; esac`}, "lacks its modules venv and ensurepip"},
		{"no network", map[string]string{"python3": fakePython("311", "3.11.2", "echo trying >&2; echo no route to host >&2; exit 1")}, "exit status 1: no route to host"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			machine := testMachine(t, test.programs)
			err := machine.jupyterPart().install(t.Context(), new(progress))
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want one line with %q", err, test.want)
			}
			if failure.Code(err) != failure.CodeMissing {
				t.Errorf("exit code %d, want %d", failure.Code(err), failure.CodeMissing)
			}
			if left := files(t, machine.Home); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// Everything that conda's environment lists is pinned, and agrees with what setup installs.
func TestEnvironment(t *testing.T) {
	checkout, err := Checkout()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(checkout, "environment.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var environment struct {
		Name         string
		Channels     []string
		Dependencies []yaml.Node
	}
	if err := yaml.Unmarshal(content, &environment); err != nil {
		t.Fatal(err)
	}
	if environment.Name != "tokenfuse" {
		t.Errorf("name %q, want tokenfuse", environment.Name)
	}
	condaPin := regexp.MustCompile(`^([a-z0-9_-]+)=([0-9][0-9.]*)$`)
	conda := map[string]string{}
	var pip []string
	for _, node := range environment.Dependencies {
		var nested struct{ Pip []string }
		if node.Kind == yaml.MappingNode {
			if err := node.Decode(&nested); err != nil {
				t.Fatal(err)
			}
			pip = nested.Pip
			continue
		}
		pin := condaPin.FindStringSubmatch(node.Value)
		if pin == nil {
			t.Errorf("conda: %q is not pinned as name=version", node.Value)
			continue
		}
		conda[pin[1]] = pin[2]
	}

	if version := conda["python"]; !strings.HasPrefix(version, "3.11.") {
		t.Errorf("conda: python %q, want the %d.%d that the requirements are made for", version, oldestPython/100, oldestPython%100)
	}
	goMod, err := os.ReadFile(filepath.Join(checkout, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	language := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(goMod))[1]
	if version := conda["go"]; !strings.HasPrefix(version, language+".") {
		t.Errorf("conda: go %q, and go.mod wants %q", version, language)
	}
	if conda["c-compiler"] == "" {
		t.Error("conda: no C compiler")
	}

	constrained := false
	listed := map[string]string{}
	for _, entry := range pip {
		if file, ok := strings.CutPrefix(entry, "--constraint "); ok {
			constrained = true
			constraints, err := os.ReadFile(filepath.Join(checkout, file))
			if err != nil || string(constraints) != requirements {
				t.Errorf("pip: %q is not what setup installs (%v)", file, err)
			}
			continue
		}
		name, version, ok := strings.Cut(entry, "==")
		if !ok || version != pinned(name) {
			t.Errorf("pip: %q, and setup installs %q", entry, name+"=="+pinned(name))
		}
		listed[name] = version
	}
	if !constrained {
		t.Error("pip: the packages that others depend on are not pinned")
	}
	for _, name := range []string{"jupyterlab", "nbclient", "nbconvert"} {
		if listed[name] == "" {
			t.Errorf("pip: no %q", name)
		}
	}
}

func TestRequirementsPinned(t *testing.T) {
	pin := regexp.MustCompile(`^[A-Za-z0-9_.-]+==[0-9][0-9A-Za-z.]*( ; .+)?$`)
	for line := range strings.Lines(requirements) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") && !pin.MatchString(line) {
			t.Errorf("%q is not pinned", line)
		}
	}
}
