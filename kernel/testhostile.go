package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// racePackages have a TestGoroutines: what a program may use from many goroutines at once.
var racePackages = []string{"./datasets", "./plots", "./lib/internal/diskcache", "./lib/vit"}

// withoutCheckptr spares GoMLX's Go backend the check of unsafe pointers that comes with -race: its
// matrix products count with addresses as numbers (v0.1.6), which ends the program.
const withoutCheckptr = "-gcflags=github.com/gomlx/compute/...=-d=checkptr=0"

// fuzzTime is how many new inputs each fuzz test tries: a number, since go test may take the end of a time
// for a failure. Longer: go test -fuzz NAME -fuzzminimizetime 10x ./PACKAGE.
const fuzzTime = "300x"

// minimizeTime is how many of them go test may spend on making one that reaches new code shorter: it would
// spend them all.
const minimizeTime = "10x"

// hostile are the checks with goroutines and with inputs that nobody meant.
func (s *testSuite) hostile(ctx context.Context) []check {
	race := append([]string{"test", "-race", withoutCheckptr, "-run", "^TestGoroutines$"}, racePackages...)
	return []check{
		{"go " + strings.Join(race, " "), func() error { return s.command(ctx, s.stdout, "go", race...) }},
		{"go test -fuzz, " + fuzzTime + " each", func() error { return s.fuzz(ctx) }},
	}
}

// fuzz runs every fuzz test for a while, one process at a time. What fails is kept by go test in the
// package's testdata/fuzz.
func (s *testSuite) fuzz(ctx context.Context) error {
	targets, err := fuzzTargets(s.machine.Checkout)
	if err != nil {
		return err
	}
	var failed []string
	for _, target := range targets {
		args := []string{"test", "-run", "^$", "-fuzz", "^" + target.name + "$", "-fuzztime", fuzzTime, "-fuzzminimizetime", minimizeTime, "-parallel", "1", "./" + target.folder}
		if err := s.command(ctx, s.stdout, "go", args...); err != nil {
			failed = append(failed, target.folder+" "+target.name)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d fuzz tests failed: %s", len(failed), len(targets), strings.Join(failed, ", "))
	}
	return nil
}

// fuzzTarget is a fuzz test and the folder of its package.
type fuzzTarget struct{ folder, name string }

var fuzzFunction = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

// fuzzTargets finds the fuzz tests of a checkout in its sources, which is faster than building all tests.
func fuzzTargets(checkout string) (targets []fuzzTarget, err error) {
	err = filepath.WalkDir(checkout, func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != checkout && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(checkout, filepath.Dir(path))
		for _, found := range fuzzFunction.FindAllSubmatch(source, -1) {
			targets = append(targets, fuzzTarget{filepath.ToSlash(folder), string(found[1])})
		}
		return err
	})
	return targets, err
}
