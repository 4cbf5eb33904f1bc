// Package publication makes the files of a published notebook: Begin checks all that can be known to be
// wrong beforehand, Execute runs the cells, Finish writes. Until then everything is in a folder beside its
// place, and then moves there by renames, the notebook last: it holds the checksums of the other files, so
// that what a kill between two renames leaves can be told from a publication.
package publication

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/page"
	"tokenfuse/kernel/internal/provenance"
	"tokenfuse/kernel/internal/provision"
	"tokenfuse/kernel/internal/runner"
	"tokenfuse/lib/inputs"
	"tokenfuse/lib/notebook"
	"tokenfuse/lib/whole"
)

// Publication is one notebook on its way.
type Publication struct {
	// Record is what it was made with, after Finish.
	Record provenance.Provenance

	path, name, output string // the source, its name without .ipynb, the folder
	staging            string
	discard            func() error // removes it
	job                runner.Job
	took               provenance.Durations
}

// Begin reads the notebook, sets its parameters and makes the folder of output. Its errors are bad input.
func Begin(path, output string, settings []string) (*Publication, error) {
	if err := os.MkdirAll(output, 0o755); err != nil {
		return nil, failure.Usage("folder %q cannot be made: %w", output, reason(err))
	}
	p := &Publication{path: path, output: output, name: strings.TrimSuffix(filepath.Base(path), ".ipynb")}
	if same(path, filepath.Join(output, p.name+".ipynb")) {
		return nil, failure.Usage("%q lies in the folder %q, and publishing would overwrite it: name another folder with -o", path, output)
	}
	if name := foreign(p.dataFolder()); name != "" {
		return nil, failure.Usage("%q holds %q, which publish did not write and would remove: move it, or name another folder with -o", p.dataFolder(), name)
	}
	var err error
	if p.staging, p.discard, err = whole.Folder(filepath.Join(output, p.name)); err != nil {
		return nil, failure.Usage("folder %q cannot be written: %w", output, reason(err))
	}
	jobs, err := runner.Plan([]string{path}, p.staged(".ipynb"), settings)
	if err == nil {
		p.job = jobs[0]
		err = provenance.Strip(p.job.Notebook)
	}
	if err != nil {
		p.Discard()
		return nil, err
	}
	return p, nil
}

// same says whether two paths are one file.
func same(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// Discard removes what has not become part of the publication.
func (p *Publication) Discard() { _ = p.discard() } // the next one removes what is left

// dataFolder is where the rows behind figures are published.
func (p *Publication) dataFolder() string { return filepath.Join(p.output, p.name+"-data") }

func (p *Publication) staged(extension string) string {
	return filepath.Join(p.staging, p.name+extension)
}

// Files are the paths of what is published.
func (p *Publication) Files() []string {
	files := []string{filepath.Join(p.output, p.name+".ipynb"), filepath.Join(p.output, p.name+".html")}
	if len(p.Record.Figures) > 0 {
		files = append(files, p.dataFolder())
	}
	return files
}

// Execute runs the notebook and remembers how long each cell took.
func (p *Publication) Execute(ctx context.Context, opts runner.Options) error {
	begin := time.Now()
	var err error
	p.took.Cells, err = execute(ctx, &p.job, p.notes(), opts)
	p.took.Total = time.Since(begin).Seconds()
	return err
}

func (p *Publication) notes() string { return p.staged(".inputs") }

// execute runs a job whose cells note what they read in the file notes.
func execute(ctx context.Context, job *runner.Job, notes string, opts runner.Options) (map[string]float64, error) {
	took := map[string]float64{}
	opts.Staged = true
	opts.Took = func(cell *nbformat.Cell, d time.Duration) { took[cell.ID] = d.Seconds() }
	path, err := filepath.Abs(notes)
	if err != nil {
		return nil, err
	}
	opts.Spec.Env = maps.Clone(opts.Spec.Env)
	opts.Spec.Env[inputs.Env] = path
	// Values are kept from cell to cell, but each is computed in this run, from inputs that are noted.
	opts.Spec.Env[notebook.KeepVariable] = path + ".kept"
	return took, job.Run(ctx, opts)
}

// Finish writes notebook, page and data, and moves them to their place.
func (p *Publication) Finish(ctx context.Context, machine *provision.Machine) error {
	executed := p.job.Notebook
	private := provenance.ThisPrivate(machine.Checkout)
	if err := private.Clean(executed); err != nil {
		return err
	}
	if err := private.Check(executed); err != nil {
		return failure.Work("%s: not published: %w", p.path, err)
	}
	notes, err := inputs.Read(p.notes())
	if err != nil {
		return err
	}
	if p.Record, err = provenance.Gather(ctx, machine, p.path, p.output, executed, notes); err != nil {
		return failure.Work("%s: %w", p.path, err)
	}
	if p.Record.Figures, err = writeData(executed, p.staging, p.name+"-data"); err != nil {
		return failure.Work("%s: %w", p.path, err)
	}
	executed.Cells = append(executed.Cells, &nbformat.Cell{
		ID: provenance.CellID, Kind: nbformat.Markdown, Metadata: nbformat.Object{"tags": []byte(`["provenance"]`)},
		Source: provenance.Table(p.Record, p.took, p.name+".ipynb"),
	})
	if err := provenance.Set(executed, p.Record, p.took); err != nil {
		return failure.Usage("%s: %w", p.path, err)
	}
	folder, err := filepath.Abs(filepath.Dir(p.path))
	if err != nil {
		return err
	}
	html, err := page.Render(ctx, machine.JupyterProgram("python"), executed, Title(executed, p.name), folder)
	if err != nil {
		return err
	}
	if err := whole.WriteFile(p.staged(".html"), html, 0o644); err != nil {
		return failure.Work("%w", err)
	}
	if err := p.seal(); err != nil {
		return failure.Work("%w", err)
	}
	return p.place()
}

// seal writes the notebook, which holds the checksums of the other files.
func (p *Publication) seal() error {
	files := append([]string{p.name + ".html"}, p.Record.Figures...)
	if err := provenance.SetFiles(p.job.Notebook, p.staging, files); err != nil {
		return err
	}
	return nbformat.Write(p.staged(".ipynb"), p.job.Notebook)
}

// move is a rename.
type move struct{ from, to string }

// moves bring everything to its place, and what it replaces out of the way.
func (p *Publication) moves() []move {
	var moves []move
	if _, err := os.Lstat(p.dataFolder()); err == nil {
		moves = append(moves, move{p.dataFolder(), p.staged("-old")})
	}
	if len(p.Record.Figures) > 0 {
		moves = append(moves, move{p.staged("-data"), p.dataFolder()})
	}
	for _, extension := range []string{".html", ".ipynb"} {
		moves = append(moves, move{p.staged(extension), filepath.Join(p.output, p.name+extension)})
	}
	return moves
}

// place makes the moves, the notebook's last: it says that the rest is there.
func (p *Publication) place() error {
	for _, move := range p.moves() {
		if err := os.Rename(move.from, move.to); err != nil {
			return failure.Work("%q cannot be moved to its place: %w", filepath.Base(move.to), reason(err))
		}
	}
	return nil
}

// Title is the first heading of a notebook, or else its name.
func Title(n *nbformat.Notebook, name string) string {
	for _, cell := range n.Cells {
		if cell.Kind != nbformat.Markdown {
			continue
		}
		for line := range strings.Lines(cell.Source) {
			if text, ok := strings.CutPrefix(line, "# "); ok {
				return strings.NewReplacer("`", "", "*", "", "$", "").Replace(strings.TrimSpace(text))
			}
		}
	}
	return name
}
