package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tokenfuse/kernel/internal/failure"
)

func TestPlanOutputs(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name, output string
		paths, want  []string
	}{
		{"in place", "", []string{"succeeds.ipynb"}, []string{"testdata/succeeds.ipynb"}},
		{"a file", dir + "/new.ipynb", []string{"succeeds.ipynb"}, []string{dir + "/new.ipynb"}},
		{"a folder that exists", dir, []string{"succeeds.ipynb"}, []string{dir + "/succeeds.ipynb"}},
		{"a folder by its slash", dir + "/a/", []string{"succeeds.ipynb"}, []string{dir + "/a/succeeds.ipynb"}},
		{"a device", os.DevNull, []string{"succeeds.ipynb"}, []string{os.DevNull}},
		{"a folder for several", dir + "/b/c", []string{"succeeds.ipynb", "unicode.ipynb"}, []string{dir + "/b/c/succeeds.ipynb", dir + "/b/c/unicode.ipynb"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			jobs, err := Plan(inTestdata(test.paths), test.output, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, job := range jobs {
				if job.Output != test.want[i] {
					t.Errorf("output %q, want %q", job.Output, test.want[i])
				}
			}
		})
	}
}

func TestPlanRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text := write("text.ipynb", "no JSON")
	python := write("python.ipynb", `{"cells":[],"metadata":{"kernelspec":{"name":"python3","language":"python"}},"nbformat":4,"nbformat_minor":5}`)
	file := write("file", "")
	succeeds := inTestdata([]string{"succeeds.ipynb"})
	for _, test := range []struct {
		name     string
		paths    []string
		output   string
		settings []string
		want     string
	}{
		{"absent", []string{dir + "/absent.ipynb"}, "", nil, "absent.ipynb: cannot be read: no such file"},
		{"a folder", []string{dir}, "", nil, "cannot be read: is a directory"},
		{"no notebook", []string{text}, "", nil, "text.ipynb: not a notebook: not JSON"},
		{"another language", []string{python}, "", nil, `written in "python"`},
		{"unknown parameter", inTestdata([]string{"parameters.ipynb"}), dir, []string{"R=1"}, `unknown parameter "R"; the parameters are: r int (default 8), model string (default "deit")`},
		{"wrong type", inTestdata([]string{"parameters.ipynb"}), dir, []string{"r=x"}, `parameter r wants an int, not "x"; the parameters are: r int`},
		{"no parameters", succeeds, dir, []string{"r=1"}, "the notebook has none"},
		{"folder absent", succeeds, dir + "/absent/out.ipynb", nil, `output folder "` + dir + `/absent" cannot be written: no such file`},
		{"folder that cannot be written", succeeds, "/proc/out.ipynb", nil, `output folder "/proc" cannot be written`},
		{"folder that cannot be made", succeeds, file + "/x/", nil, "cannot be made: not a directory"},
		{"same name twice", append(inTestdata([]string{"succeeds.ipynb"}), "./testdata/../testdata/succeeds.ipynb"), dir, nil, "would both be written to"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Plan(test.paths, test.output, test.settings)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %v, want one line with %q", err, test.want)
			}
			if failure.Code(err) != failure.CodeUsage {
				t.Errorf("exit code %d", failure.Code(err))
			}
		})
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 3 {
		t.Errorf("left behind: %v", entries)
	}
}

func inTestdata(names []string) []string {
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = filepath.Join("testdata", name)
	}
	return paths
}
