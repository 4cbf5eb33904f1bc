// Package page makes one HTML file of a notebook, by nbconvert of the managed Python environment and a
// template of Tokenfuse's own. The page holds all that it shows: pictures as data, formulas as MathML
// (latex2mathml), no font, no script. What would make it ask another host is an error, and so is a
// formula that cannot be converted.
package page

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/processes"
)

//go:embed convert.py template
var files embed.FS

// Render returns the page of a notebook. python is the interpreter that has nbconvert, folder where the
// pictures of Markdown cells are looked for. The page's title is the notebook's.
func Render(ctx context.Context, python string, notebook *nbformat.Notebook, title, folder string) ([]byte, error) {
	family, err := processes.New()
	if err != nil {
		return nil, failure.Work("no temporary folder: %w", err)
	}
	defer family.Close()
	dir := family.Temporary()
	if err := write(dir, notebook, title); err != nil {
		return nil, err
	}
	// Isolated (-I): neither the user's site-packages nor PYTHONPATH have a say.
	cmd := exec.CommandContext(ctx, python, "-I", filepath.Join(dir, "convert.py"), filepath.Join(dir, "page.ipynb"), folder, filepath.Join(dir, "templates"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = family.Environ(os.Environ())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is this program's, which then ends it
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, failure.Work("no page: %s", complaint(stderr.String(), err))
	}
	return stdout.Bytes(), nil
}

// write lays out what convert.py reads.
func write(dir string, notebook *nbformat.Notebook, title string) error {
	templates := filepath.Join(dir, "templates", "tokenfuse")
	if err := os.MkdirAll(templates, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"conf.json", "index.html.j2", "page.css"} {
		content, err := files.ReadFile("template/" + name)
		if err == nil {
			err = os.WriteFile(filepath.Join(templates, name), content, 0o644)
		}
		if err != nil {
			return err
		}
	}
	script, err := files.ReadFile("convert.py")
	if err != nil {
		return err
	}
	titled := *notebook
	titled.Metadata = maps.Clone(notebook.Metadata) // never nil: Parse sees to it
	return errors.Join(
		titled.Metadata.Set("title", title),
		os.WriteFile(filepath.Join(dir, "convert.py"), script, 0o644),
		nbformat.Write(filepath.Join(dir, "page.ipynb"), &titled),
	)
}

// complaint is the last line that Python wrote, which is what went wrong.
func complaint(said string, err error) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if last == "" {
		return err.Error()
	}
	return strings.TrimPrefix(last, "page: ")
}
