package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

var goroutinesTest = regexp.MustCompile(`(?m)^func TestGoroutines\(`)

// TestFuzzTargets: whatever reads what somebody else wrote has a fuzz test, which is found, and every package under the race detector has
// its test of goroutines.
func TestFuzzTargets(t *testing.T) {
	targets, err := fuzzTargets("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []fuzzTarget{
		{"lib/weights", "FuzzDecode"}, {"lib/weights", "FuzzCheckpoint"}, {"lib/weights", "FuzzPickle"},
		{"datasets", "FuzzDecodeIDX"}, {"datasets", "FuzzReadCIFAR"}, {"datasets", "FuzzUnpackCIFAR"},
		{"datasets", "FuzzDecodeImage"}, {"datasets", "FuzzParseClutter"},
		{"lib/vit", "FuzzParseConfig"}, {"lib/fusion", "FuzzParse"}, {"lib/fusion", "FuzzParseSingle"},
		{"lib/train", "FuzzParseRecipe"}, {"lib/ablation", "FuzzGrid"}, {"lib/result", "FuzzRead"},
		{"lib/internal/diskcache", "FuzzOpen"}, {"lib/notebook/internal/keep", "FuzzDecode"}, {"lib/notebook/internal/keep", "FuzzText"},
		{"kernel/internal/nbformat", "FuzzParse"}, {"kernel/internal/nbformat", "FuzzInject"}, {"kernel/internal/publication", "FuzzReadPublished"},
		{"kernel/internal/jupyter", "FuzzDecode"}, {"kernel/internal/jupyter", "FuzzRecorder"},
	} {
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
