package provision

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
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

	// pip reads the paths in its list from the folder of environment.yml.
	if len(pip) != 1 {
		t.Fatalf("pip: %q, want the list that setup installs", pip)
	}
	file, _ := strings.CutPrefix(pip[0], "--requirement ")
	if listed, err := os.ReadFile(filepath.Join(checkout, file)); err != nil || string(listed) != requirements {
		t.Errorf("pip: %q is not what setup installs (%v)", pip[0], err)
	}
}

// TestRequirementsLocked: all that is asked for, and all that the lock says it depends on, is there in one
// version with checksums; pip refuses a package that another needs and the lock does not have.
func TestRequirementsLocked(t *testing.T) {
	asked, err := os.ReadFile("requirements.in")
	if err != nil {
		t.Fatal(err)
	}
	pin := regexp.MustCompile(`^([a-z0-9-]+)==[0-9][0-9A-Za-z.]*( ; [^\\]+)? \\$`)
	hash := regexp.MustCompile(`^    --hash=sha256:[0-9a-f]{64}( \\)?$`)
	hashes := map[string]int{} // of each package
	last := ""
	for line := range strings.Lines(requirements) {
		line = strings.TrimSuffix(line, "\n")
		if found := pin.FindStringSubmatch(line); found != nil {
			last = found[1]
			hashes[last] += 0
		} else if hash.MatchString(line) {
			hashes[last]++
		} else if !strings.HasPrefix(strings.TrimSpace(line), "#") && line != "" && line != "--only-binary :all:" {
			t.Errorf("%q is neither a version nor a checksum", line)
		}
	}
	for name, n := range hashes {
		if n == 0 {
			t.Errorf("%s has no checksum", name)
		}
	}
	n := 0
	for line := range strings.Lines(string(asked)) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		n++
		name, version, _ := strings.Cut(line, "==")
		if pinned(name) != version || hashes[name] == 0 {
			t.Errorf("%q is asked for, %q is locked: make the lock anew, as requirements.in says", line, name+"=="+pinned(name))
		}
	}
	if n < 5 || len(hashes) < 90 {
		t.Errorf("%d packages asked for, %d locked: the test read little", n, len(hashes))
	}
}

// wheel writes a package that says it is jupyterlab 1.0, and returns its checksum.
func wheel(t *testing.T, dir, code string) string {
	t.Helper()
	var content bytes.Buffer
	archive := zip.NewWriter(&content)
	for _, file := range [][2]string{
		{"jupyterlab.py", code},
		{"jupyterlab-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: jupyterlab\nVersion: 1.0\n"},
		{"jupyterlab-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{"jupyterlab-1.0.dist-info/entry_points.txt", "[console_scripts]\njupyter-lab = jupyterlab:main\n"},
		{"jupyterlab-1.0.dist-info/RECORD", ""},
	} {
		w, err := archive.Create(file[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(file[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "jupyterlab-1.0-py3-none-any.whl"), content.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(content.Bytes()))
}

// TestForgedPackage: the real pip refuses a package that was exchanged, or that the lock has no checksum of.
func TestForgedPackage(t *testing.T) {
	if testing.Short() {
		t.Skip("makes Python environments")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skipf("no Python to make JupyterLab's environment of, which setup then leaves out too: %v", err)
	}
	packages := t.TempDir()
	t.Setenv("PIP_NO_INDEX", "1")
	t.Setenv("PIP_FIND_LINKS", packages)
	locked := requirements
	t.Cleanup(func() { requirements = locked })
	sum := wheel(t, packages, "def main(): pass\n")
	for _, test := range []struct{ name, lock, want string }{
		{"without a checksum", "jupyterlab==1.0\n", "--hash=sha256:" + sum},
		{"exchanged", "jupyterlab==1.0 --hash=sha256:" + strings.Repeat("0", 64) + "\n",
			"no JupyterLab: jupyterlab==1.0 came with a checksum that kernel/internal/provision/requirements.txt does not have"},
	} {
		t.Run(test.name, func(t *testing.T) {
			machine := testMachine(t, nil)
			machine.LookPath = func(string) (string, error) { return python, nil }
			requirements = test.lock
			err := machine.jupyterPart().install(t.Context(), new(progress))
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, test.want)
			}
			if left := files(t, machine.Home); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}
