package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/provision"
	"tokenfuse/kernel/internal/runner"
)

func newTestCommand() *cobra.Command {
	var short bool
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Run every test of the project, the notebooks included",
		Long: `Sets up what is missing, then runs go vet, staticcheck, go test and each benchmark once on all packages,
tests of use by many goroutines under the race detector, each fuzz test on some hundred inputs, and executes
every notebook of notebooks/, with the Go solutions of its exercises, into a temporary folder. Each of
them runs whatever became of the others.

With --short, tests leave out what takes long, nothing is fuzzed or watched for races, and a notebook runs
with the parameters that its metadata give under tokenfuse.short_parameters, as {"name": value}.`,
		Example: `  go run ./kernel test
  go run ./kernel test --short`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			machine, err := provision.ThisMachine()
			if err != nil {
				return err
			}
			opts := provision.Options{Checks: true, Thorough: true}
			if err := machine.CheckPython(ctx); err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "test: going without JupyterLab, and without the tests that need its Python: %v\n", err)
				opts.NoJupyter = true
			}
			if err := machine.Ensure(ctx, cmd.ErrOrStderr(), opts); err != nil {
				return err
			}
			suite := testSuite{machine: machine, short: short, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr()}
			return suite.run(ctx)
		},
	}
	cmd.Flags().BoolVar(&short, "short", false, "leave out what takes long")
	return cmd
}

// testSuite runs the checks one after the other and remembers which failed.
type testSuite struct {
	machine        *provision.Machine
	short          bool
	stdout, stderr io.Writer

	packages []string // the line of go test for each package
	passed   int
	failed   []string
}

func (s *testSuite) run(ctx context.Context) error {
	start := time.Now()
	flags := []string{}
	if s.short {
		flags = append(flags, "-short")
	}
	goTest := append(append([]string{"test"}, flags...), "./...")
	checks := []check{
		{"go mod verify", func() error { return s.verifyModules(ctx) }},
		{"go vet ./...", func() error { return s.command(ctx, s.stdout, "go", "vet", "./...") }},
		{"staticcheck ./...", func() error { return s.command(ctx, s.stdout, s.machine.Tool("staticcheck"), "./...") }},
		{"go " + strings.Join(goTest, " "), func() error { return s.goTest(ctx, goTest) }},
		{"benchmarks", func() error { return s.quietly(ctx, "go", smokeRun...) }},
	}
	if !s.short {
		checks = append(checks, s.hostile(ctx)...)
	}
	for _, check := range checks {
		if err := s.check(ctx, check.name, check.run); err != nil {
			return err
		}
	}
	notebooks, err := filepath.Glob(filepath.Join(s.machine.Checkout, "notebooks", "*.ipynb"))
	if err != nil {
		return err
	}
	for _, path := range notebooks {
		if err := s.check(ctx, "notebook "+filepath.Base(path), func() error { return s.notebook(ctx, path) }); err != nil {
			return err
		}
	}
	s.summarise(len(notebooks), time.Since(start))
	if len(s.failed) > 0 {
		return failure.Work("%d of %d checks failed: %s", len(s.failed), len(s.failed)+s.passed, strings.Join(s.failed, "; "))
	}
	return nil
}

// smokeRun executes each benchmark once, at a small size: that they work is tested, not how long they take.
var smokeRun = []string{"test", "-short", "-run", "^$", "-bench", ".", "-benchtime", "1x", "./..."}

// check is one of the suite's checks.
type check struct {
	name string
	run  func() error
}

// check runs one check and notes how it went; its error is not nil only when ctx ended.
func (s *testSuite) check(ctx context.Context, name string, run func() error) error {
	fmt.Fprintf(s.stderr, "test: %s\n", name)
	err := run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		fmt.Fprintf(s.stderr, "test: %s failed: %v\n", name, err)
		s.failed = append(s.failed, name)
		return nil
	}
	s.passed++
	return nil
}

// command runs a program in the checkout; when ctx ends, it ends with all that it started.
func (s *testSuite) command(ctx context.Context, stdout io.Writer, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.machine.Checkout
	cmd.Stdout, cmd.Stderr = stdout, s.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd.Run()
}

// quietly runs a program as command does, and shows what it printed where it fails.
func (s *testSuite) quietly(ctx context.Context, program string, args ...string) error {
	var said bytes.Buffer
	err := s.command(ctx, &said, program, args...)
	if err != nil {
		_, _ = said.WriteTo(s.stdout)
	}
	return err
}

// verifyModules compares the modules in the module cache with the checksums that they came with: those
// of the project, and those of its tools.
func (s *testSuite) verifyModules(ctx context.Context) error {
	if err := s.command(ctx, s.stdout, "go", "mod", "verify"); err != nil {
		return err
	}
	return s.command(ctx, s.stdout, "go", "-C", filepath.Join("kernel", "tools"), "mod", "verify")
}

// goTest shows what go test says and keeps its line for each package.
func (s *testSuite) goTest(ctx context.Context, args []string) error {
	var said bytes.Buffer
	err := s.command(ctx, io.MultiWriter(s.stdout, &said), "go", args...)
	for line := range strings.Lines(said.String()) {
		if strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "FAIL\t") {
			s.packages = append(s.packages, line)
		}
	}
	return err
}

// notebook executes a notebook, with the solutions of its exercises, into a folder that is removed afterwards.
func (s *testSuite) notebook(ctx context.Context, path string) error {
	var settings []string
	if s.short {
		var err error
		if settings, err = shortParameters(path); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "tokenfuse-test-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	opts := runner.Options{
		Name:     provision.KernelName,
		Timeout:  10 * time.Minute,
		Progress: runner.NewProgress(s.stderr),
	}
	jobs, err := runner.Plan([]string{path}, filepath.Join(dir, filepath.Base(path)), settings)
	if err != nil {
		return err
	}
	for _, job := range jobs {
		nbformat.UnfoldSolutions(job.Notebook)
	}
	return runJobs(ctx, jobs, opts)
}

// shortParameters reads a notebook's metadata tokenfuse.short_parameters, as the name=value that run
// takes, sorted by name.
func shortParameters(path string) ([]string, error) {
	notebook, err := nbformat.Read(path)
	if err != nil {
		return nil, err
	}
	var project struct {
		Short map[string]json.RawMessage `json:"short_parameters"`
	}
	if _, ok := notebook.Metadata["tokenfuse"]; ok && !notebook.Metadata.Get("tokenfuse", &project) {
		return nil, failure.Usage("%q: the metadata tokenfuse.short_parameters is no object of names and values", path)
	}
	settings := make([]string, 0, len(project.Short))
	for name, value := range project.Short {
		settings = append(settings, name+"="+settingText(value))
	}
	slices.Sort(settings)
	return settings, nil
}

// settingText turns a JSON value into what is typed after -p name=.
func settingText(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	var list []json.RawMessage
	if json.Unmarshal(value, &list) == nil {
		texts := make([]string, len(list))
		for i, element := range list {
			texts[i] = settingText(element)
		}
		return strings.Join(texts, ",")
	}
	return string(value)
}

// summarise repeats the packages' results, which the notebooks have pushed out of sight, and counts.
func (s *testSuite) summarise(notebooks int, elapsed time.Duration) {
	ok := 0
	for _, line := range s.packages {
		io.WriteString(s.stdout, line)
		if strings.HasPrefix(line, "ok") {
			ok++
		}
	}
	fmt.Fprintf(s.stdout, "test: %d packages ok, %d failed; %d notebooks executed; %d checks passed, %d failed (%v)\n",
		ok, len(s.packages)-ok, notebooks, s.passed, len(s.failed), elapsed.Round(time.Second))
}
