package provenance

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/provision"
	"tokenfuse/lib/bench"
	"tokenfuse/lib/inputs"
	"tokenfuse/lib/notebook"
)

// Gather finds out what an executed notebook was made with. path is the notebook's, notes are what its
// cells read, exclude is a folder whose files do not count when the tree is looked at: where it is
// published to.
func Gather(ctx context.Context, machine *provision.Machine, path, exclude string, n *nbformat.Notebook, notes []inputs.Input) (Provenance, error) {
	now, err := Here(ctx, machine, exclude, notes)
	if err != nil {
		return Provenance{}, err
	}
	now.Notebook = below(machine.Checkout, path)
	if now.Parameters, err = parameters(n); err != nil {
		return Provenance{}, err
	}
	now.Seeds = seeds(n, now.Parameters)
	now.Cells = map[string]Checksums{}
	for _, cell := range n.Cells {
		now.Cells[cell.ID] = Sum(cell)
	}
	return now, nil
}

// Here is the part of the record that is not about a notebook: the checkout, the machine, and notes.
func Here(ctx context.Context, machine *provision.Machine, exclude string, notes []inputs.Input) (Provenance, error) {
	p := Provenance{
		Format: format, System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Processor: bench.Processor(),
		Backends: []string{}, Inputs: []inputs.Input{},
	}
	p.Commit, p.Clean = Commit(ctx, machine.Checkout, exclude)
	var err error
	if p.Go, p.GoNB, err = machine.Versions(ctx); err != nil {
		return p, err
	}
	if p.Modules, err = machine.Modules(ctx, filepath.Join(machine.Checkout, "go.mod")); err != nil {
		return p, err
	}
	for _, input := range notes {
		if input.Kind == inputs.Backend {
			p.Backends = append(p.Backends, input.Name)
		} else {
			p.Inputs = append(p.Inputs, input)
		}
	}
	for _, backend := range p.Backends {
		if platform, ok := strings.CutPrefix(backend, "XLA "); ok {
			if name, version, sum, ok := machine.Plugin(strings.ToLower(platform)); ok {
				p.Plugin = &Plugin{Name: name, Version: version, SHA256: sum}
			}
		}
	}
	if slices.Contains(p.Backends, "XLA CUDA") {
		p.Device = bench.Accelerator()
	}
	return p, nil
}

// Commit returns the commit of the checkout, and whether its tree holds nothing else but for files in
// the folder exclude.
func Commit(ctx context.Context, checkout, exclude string) (commit string, clean bool) {
	// Without the lock that git status takes to save time, and leaves behind when it is killed.
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"--no-optional-locks", "-C", checkout}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	commit, err := git("rev-parse", "HEAD")
	if err != nil {
		return "unknown", false
	}
	status := []string{"status", "--porcelain", "--", "."}
	if folder, ok := inside(checkout, exclude); ok && exclude != "" && folder != "." {
		status = append(status, ":(exclude,literal)"+folder)
	}
	changes, err := git(status...)
	return commit, err == nil && changes == ""
}

// below is a path as seen from the checkout, or its last element where it lies elsewhere.
func below(checkout, path string) string {
	if relative, ok := inside(checkout, path); ok {
		return relative
	}
	return filepath.Base(path)
}

// inside returns a path as seen from the checkout, and whether it lies in it.
func inside(checkout, path string) (string, bool) {
	relative, err := filepath.Rel(resolved(checkout), absolute(path))
	return filepath.ToSlash(relative), err == nil && filepath.IsLocal(relative)
}

// absolute is a path without links, as far as it exists.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		path = full
	}
	return resolved(path)
}

func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// parameters are those of the notebook, with the values that it was executed with.
func parameters(n *nbformat.Notebook) ([]Parameter, error) {
	declared, err := nbformat.Parameters(n)
	if err != nil {
		return nil, err
	}
	given := map[string]string{}
	for _, setting := range nbformat.Injected(n) {
		name, value, _ := strings.Cut(setting, "=")
		given[name] = value
	}
	list := []Parameter{}
	for _, p := range declared {
		value, ok := given[p.Name]
		if !ok {
			value = p.Default
		}
		list = append(list, Parameter{Name: p.Name, Value: value, Given: ok})
	}
	return list, nil
}

// seeds are the parameters that are named so, and those of the rows that were shown.
func seeds(n *nbformat.Notebook, parameters []Parameter) []string {
	list := []string{}
	for _, p := range parameters {
		if strings.Contains(strings.ToLower(p.Name), "seed") {
			list = append(list, p.Name+"="+p.Value)
		}
	}
	var shown []int64
	for _, cell := range n.Cells {
		for _, output := range cell.Outputs {
			text, _ := output.Data.Text(string(notebook.MIMERows))
			for line := range strings.Lines(text) {
				var row struct{ Seed *int64 }
				if json.Unmarshal([]byte(line), &row) == nil && row.Seed != nil && !slices.Contains(shown, *row.Seed) {
					shown = append(shown, *row.Seed)
				}
			}
		}
	}
	if slices.Sort(shown); len(shown) > 0 {
		list = append(list, strings.ReplaceAll(strings.Trim(fmt.Sprint(shown), "[]"), " ", ", ")+" (of rows)")
	}
	return list
}
