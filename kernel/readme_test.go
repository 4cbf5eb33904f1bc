package main

import (
	"os"
	"strings"
	"testing"
)

// TestReadmeTables: the tables of models and methods in the README are what the commands print. After a
// change, put their output in its place again.
func TestReadmeTables(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"models", "methods"} {
		begin := "<!-- go run ./kernel " + verb + " --markdown -->\n"
		_, rest, found := strings.Cut(string(readme), begin)
		if !found {
			t.Errorf("the README has no table behind %s", strings.TrimSpace(begin))
			continue
		}
		printed, _, _ := strings.Cut(rest, "<!-- end -->")
		got := kernel(t, nil, verb, "--markdown")
		if got.code != 0 {
			t.Fatalf("%s: exit %d: %s", verb, got.code, got.stderr)
		}
		if printed != got.stdout {
			t.Errorf("the README's table of %s is not what the command prints:\n%s", verb, got.stdout)
		}
	}
}
