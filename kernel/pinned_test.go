package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// latest matches what asks for whatever is newest of something.
var latest = regexp.MustCompile(`(?i)@latest\b|:latest\b|/(?:releases|download)/latest|@(?:master|upgrade)\b|@main(?:[^(]|$)|pip3? install (?:-U|--upgrade)|>=\s*\d`)

// TestNothingIsLatest: what is installed, downloaded or required is named by its version, so that what
// is tested is what runs.
func TestNothingIsLatest(t *testing.T) {
	list, err := exec.CommandContext(t.Context(), "git", "-C", "..", "ls-files", "-z").Output()
	if err != nil {
		t.Skip("this is no clone, which knows its files:", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		switch filepath.Ext(name) {
		case ".go", ".mod", ".sh", ".txt", ".in", ".yml", ".yaml", ".md", ".py", ".ipynb", "":
		default:
			continue
		}
		if name == "kernel/pinned_test.go" || strings.HasSuffix(name, "imagenet.txt") {
			continue
		}
		content, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			continue // removed, and not yet committed
		}
		installs := strings.HasSuffix(name, ".go") || strings.HasSuffix(name, ".md") || strings.HasSuffix(name, ".py") || strings.HasSuffix(name, ".ipynb")
		for i, line := range strings.Split(string(content), "\n") {
			found := latest.FindString(line)
			if found == "" || installs && strings.HasPrefix(found, ">") {
				continue // a comparison
			}
			t.Errorf("%s:%d asks for %q: %s", name, i+1, found, strings.TrimSpace(line))
		}
	}
}
