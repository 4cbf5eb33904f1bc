package publication

import (
	"context"
	"os"
	"path/filepath"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/processes"
	"tokenfuse/kernel/internal/provenance"
	"tokenfuse/kernel/internal/provision"
	"tokenfuse/kernel/internal/runner"
	"tokenfuse/lib/inputs"
)

// Published is a published notebook as it was found.
type Published struct {
	Notebook *nbformat.Notebook
	Record   provenance.Provenance
	Took     provenance.Durations
}

// ReadPublished reads a published notebook; anything else is bad input.
func ReadPublished(path string) (Published, error) {
	if extension := filepath.Ext(path); extension == ".html" {
		return Published{}, failure.Usage("%s is a page: verify the notebook beside it, %s.ipynb", path, path[:len(path)-len(extension)])
	}
	notebook, err := nbformat.Read(path)
	if err != nil {
		return Published{}, failure.Usage("%w", err)
	}
	record, took, ok := provenance.Get(notebook)
	if !ok {
		return Published{}, failure.Usage("%s does not say what it was made with (tokenfuse.provenance in its metadata): publish it with go run ./kernel publish", path)
	}
	return Published{notebook, record, took}, nil
}

// Again is a published notebook that was executed again.
type Again struct {
	Notebook *nbformat.Notebook
	Here     provenance.Provenance
	// Failed is why not all cells succeeded; nil if they did.
	Failed error
}

// Again executes the notebook anew, with the parameters that it holds, in the folder that it came from
// if the checkout has that, else in its own. The published file is left alone.
func (p Published) Again(ctx context.Context, machine *provision.Machine, path string, opts runner.Options) (Again, error) {
	family, err := processes.New()
	if err != nil {
		return Again{}, failure.Work("no temporary folder: %w", err)
	}
	defer family.Close()
	dir := family.Temporary()
	output := filepath.Join(dir, filepath.Base(path))
	jobs, err := runner.Plan([]string{path}, output, nil)
	if err != nil {
		return Again{}, err
	}
	job := jobs[0]
	if err := provenance.Strip(job.Notebook); err != nil {
		return Again{}, err
	}
	if from := filepath.FromSlash(p.Record.Notebook); filepath.IsLocal(from) && filepath.Dir(from) != "." {
		if folder := filepath.Join(machine.Checkout, filepath.Dir(from)); isFolder(folder) {
			job.Dir = folder
		}
	}
	notes := filepath.Join(dir, "inputs")
	opts.KeepGoing = true
	_, failed := execute(ctx, &job, notes, opts)
	if ctx.Err() != nil || failed != nil && failure.Code(failed) != failure.CodeWork {
		return Again{}, failed
	}
	if err := provenance.ThisPrivate(machine.Checkout).Clean(job.Notebook); err != nil {
		return Again{}, err
	}
	read, err := inputs.Read(notes)
	if err != nil {
		return Again{}, err
	}
	here, err := provenance.Here(ctx, machine, "", read)
	return Again{job.Notebook, here, failed}, err
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
