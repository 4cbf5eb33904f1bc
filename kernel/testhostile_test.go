package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

var goroutinesTest = regexp.MustCompile(`(?m)^func TestGoroutines\(`)

// TestFuzzTargets: the fuzz tests of this project are found, and every package under the race detector has
// its test of goroutines.
func TestFuzzTargets(t *testing.T) {
	targets, err := fuzzTargets("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []fuzzTarget{{"lib/weights", "FuzzPickle"}, {"kernel/internal/jupyter", "FuzzDecode"}, {"datasets", "FuzzDecodeImage"}} {
		if !slices.Contains(targets, want) {
			t.Errorf("%v is not among %v", want, targets)
		}
	}
	for _, folder := range racePackages {
		sources, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(sources, func(path string) bool {
			text, err := os.ReadFile(path)
			return err == nil && goroutinesTest.Match(text)
		}) {
			t.Errorf("%s has no TestGoroutines", folder)
		}
	}
}
