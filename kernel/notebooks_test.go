package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tokenfuse/kernel/internal/nbformat"
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
