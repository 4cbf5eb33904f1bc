package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/lib/whole"
)

// Job is a notebook to execute.
type Job struct {
	Path     string // as the user named it
	Output   string // where the executed notebook goes
	Dir      string // where its cells run; "" for the folder of Path
	Notebook *nbformat.Notebook
}

// Plan reads the notebooks, sets their parameters, and makes sure that the results can be written:
// all that can be known to be wrong before a kernel starts. output is "" to write each notebook back
// into its own file, a file, or a folder; a folder it must be where several notebooks run, and is
// made if need be.
func Plan(paths []string, output string, settings []string) ([]Job, error) {
	jobs := make([]Job, 0, len(paths))
	folder := isFolder(output) || len(paths) > 1 && output != ""
	if folder {
		if err := os.MkdirAll(output, 0o755); err != nil {
			return nil, failure.Usage("output folder %q cannot be made: %s", output, reason(err))
		}
	}
	from := map[string]string{}
	for _, path := range paths {
		notebook, err := nbformat.Read(path)
		if err != nil {
			return nil, failure.Usage("%w", err)
		}
		if err := checkLanguage(notebook); err != nil {
			return nil, failure.Usage("%s: %w", path, err)
		}
		if err := nbformat.Inject(notebook, settings); err != nil {
			return nil, failure.Usage("%s: %w", path, err)
		}
		job := Job{Path: path, Output: path, Notebook: notebook}
		switch {
		case folder:
			job.Output = filepath.Join(output, filepath.Base(path))
		case output != "":
			job.Output = output
		}
		if other, ok := from[filepath.Clean(job.Output)]; ok {
			return nil, failure.Usage("%q and %q would both be written to %q: run them one by one", other, path, job.Output)
		}
		from[filepath.Clean(job.Output)] = path
		if err := checkWritable(job.Output); err != nil {
			return nil, err
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

// isFolder says whether the user means a folder: one that exists, or a name that ends in a slash.
func isFolder(output string) bool {
	if strings.HasSuffix(output, string(filepath.Separator)) {
		return true
	}
	info, err := os.Stat(output)
	return err == nil && info.IsDir()
}

// checkLanguage refuses notebooks that are written for another language's kernel.
func checkLanguage(n *nbformat.Notebook) error {
	var kernel, language struct{ Language, Name string }
	n.Metadata.Get("kernelspec", &kernel)
	n.Metadata.Get("language_info", &language)
	for _, name := range []string{kernel.Language, language.Name} {
		if name != "" && !strings.EqualFold(name, "go") {
			return fmt.Errorf("is written in %q, and Tokenfuse runs notebooks in Go: choose the kernel \"Go (Tokenfuse)\" in Jupyter", name)
		}
	}
	return nil
}

// checkWritable makes sure that a file can be written, by making one beside it.
func checkWritable(path string) error {
	if whole.Special(path) {
		return nil // beside a device or a pipe nothing is made
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	if info, err := os.Stat(path); err == nil {
		if info.IsDir() {
			return failure.Usage("output %q is a folder", path)
		}
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return failure.Usage("output %q cannot be written: %s: name another with -o", path, reason(err))
		}
		if err := file.Close(); err != nil {
			return failure.Usage("output %q cannot be written: %s", path, reason(err))
		}
	}
	folder := filepath.Dir(path)
	probe, err := os.CreateTemp(folder, ".tokenfuse-*")
	if err != nil {
		return failure.Usage("output folder %q cannot be written: %s: name another with -o", folder, reason(err))
	}
	_ = probe.Close() // nothing was written
	if err := os.Remove(probe.Name()); err != nil {
		return failure.Usage("output folder %q cannot be written: %s", folder, reason(err))
	}
	return nil
}

// reason is what the system says, without the operation and the path.
func reason(err error) string {
	for {
		inner, ok := err.(interface{ Unwrap() error })
		if !ok || inner.Unwrap() == nil {
			return err.Error()
		}
		err = inner.Unwrap()
	}
}
