package provision

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestInspect(t *testing.T) {
	machine := testMachine(t, map[string]string{"go": realGo(t), "gcc": `echo 12.2.0`})
	report, err := machine.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, part := range report.Parts {
		names = append(names, part.Name)
		if part.Found == (part.Cure != "") {
			t.Errorf("%s: found is %v, and its cure %q", part.Name, part.Found, part.Cure)
		}
		if strings.Contains(part.Note+part.Cure, "\n") {
			t.Errorf("%s: more than one line: %q %q", part.Name, part.Note, part.Cure)
		}
	}
	want := []string{"go", "c compiler", "gonb", "goimports", "gopls", "staticcheck", "xla cpu", "kernelspec tokenfuse", "python", "jupyterlab"}
	if !slices.Equal(names, want) {
		t.Errorf("parts %q, want %q", names, want)
	}
	if missing, ok := report.Missing(); !ok || missing.Name != "gonb" || missing.Cure != SetupCommand {
		t.Errorf("first missing %+v, want gonb and its cure", missing)
	}
	if left := files(t, machine.Home); len(left) > 0 {
		t.Errorf("looking left %q behind", left)
	}

	content, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(content, &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"home", "parts", "backend", "backend_note", "compile_cache"} {
		if keys[key] == nil {
			t.Errorf("no %q in %s", key, content)
		}
	}
	first := keys["parts"].([]any)[0].(map[string]any)
	for key, want := range map[string]any{"name": "go", "found": true, "needed": true} {
		if first[key] != want {
			t.Errorf("the first part's %q is %v, want %v", key, first[key], want)
		}
	}
}

// realGo is a script that runs the go command that runs the test.
func realGo(t *testing.T) string {
	t.Helper()
	machine, err := ThisMachine()
	if err != nil {
		t.Fatal(err)
	}
	path, err := machine.goCommand()
	if err != nil {
		t.Fatal(err)
	}
	return `exec "` + path + `" "$@"`
}
