package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/provision/provisiontest"
)

// TestNotebooksCommands: the commands that the notebooks' prose tells to type are ones that there are, and
// their notebooks have the parameters that they set. Nothing is run.
func TestNotebooksCommands(t *testing.T) {
	t.Chdir("..") // their paths begin at the root of the repository
	paths, err := filepath.Glob("notebooks/*.ipynb")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile("go run ./kernel ([^`\n]+)")
	found := 0
	for _, path := range paths {
		notebook, err := nbformat.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, cell := range notebook.Cells {
			if cell.Kind != nbformat.Markdown {
				continue
			}
			for _, match := range command.FindAllStringSubmatch(cell.Source, -1) {
				found++
				if err := understands(strings.Fields(match[1])); err != nil {
					t.Errorf("%s: go run ./kernel %s: %v", path, match[1], err)
				}
			}
		}
	}
	if found < 6 {
		t.Errorf("found %d commands in %d notebooks", found, len(paths))
	}
}

// understands says what is wrong with a command line, as far as can be told before it runs.
func understands(args []string) error {
	verb, args, err := newRoot().Find(args)
	if err != nil {
		return err
	}
	if err := verb.ParseFlags(args); err != nil {
		return err
	}
	if verb.Name() != "run" {
		return nil // prose may name a verb alone, as in "go run ./kernel sweep"
	}
	settings, err := verb.Flags().GetStringArray("parameter")
	if err != nil {
		return err
	}
	for _, path := range verb.Flags().Args() {
		notebook, err := nbformat.Read(path)
		if err != nil {
			return err
		}
		if err := nbformat.Inject(notebook, settings); err != nil {
			return err
		}
	}
	return nil
}

func TestUnderstands(t *testing.T) {
	t.Chdir("..")
	for command, wrong := range map[string]string{
		"models": "",
		"run notebooks/01-quickstart.ipynb -p images=500": "",
		"fly":         "unknown command",
		"models --up": "--up",
		"run notebooks/01-quickstart.ipynb -p pictures=500": `unknown parameter "pictures"`,
		"run notebooks/00-nothing.ipynb":                    "no such file",
	} {
		err := understands(strings.Fields(command))
		if (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v, want %q", command, err, wrong)
		}
	}
}

// TestNotebookSolutions: test runs the solutions of a notebook's exercises, says which fails, and leaves the
// notebook as it is.
func TestNotebookSolutions(t *testing.T) {
	provisiontest.GoNB(t)
	fold := func(number, body string) string {
		return "**" + number + ".** How?\n\n<details><summary>Solution</summary>\n\n```go\n%%\n" + body + "\n```\n</details>\n\n"
	}
	path := filepath.Join(t.TempDir(), "course.ipynb")
	if err := nbformat.Write(path, &nbformat.Notebook{Minor: 5, Metadata: nbformat.Object{}, Cells: []*nbformat.Cell{
		{ID: "a", Kind: nbformat.Code, Source: "var known = 1", Metadata: nbformat.Object{}},
		{ID: "b", Kind: nbformat.Markdown, Source: fold("1", "fmt.Println(known)") + fold("2", "fmt.Println(forgotten)"), Metadata: nbformat.Object{}},
	}}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	suite := testSuite{stdout: io.Discard, stderr: io.Discard}
	const want = "course.ipynb: cell 3, exercise 2 (line 2): undefined: forgotten"
	if err := suite.notebook(t.Context(), path); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the notebook itself changed (%v)", err)
	}
}
