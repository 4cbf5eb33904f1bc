package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/index"
	"tokenfuse/kernel/internal/provision"
	"tokenfuse/kernel/internal/publication"
	"tokenfuse/kernel/internal/runner"
)

func newPublishCommand() *cobra.Command {
	var settings []string
	var output, listed string
	var bounds cellBounds
	cmd := &cobra.Command{
		Use:   "publish NOTEBOOK -o DIR",
		Short: "Execute a notebook, and write it with a page, its data and what it was made with",
		Long: `Executes the notebook as run does, and writes into the folder of -o:

  NAME.ipynb   the notebook with its outputs, a table at its end of what it was made with, and all of
               that in its metadata (tokenfuse.provenance): commit and whether anything was changed,
               versions of modules, backend and plugin, processor, checksums of the datasets, weights
               and result rows that its cells read, seeds, parameters; durations (tokenfuse.durations)
  NAME.html    the same as one page that asks no other host for anything: pictures are inside, formulas
               are MathML, there is no script
  NAME-data/   the rows behind each figure and table of results, as JSON Lines

Each is written whole, once all cells have succeeded, or not at all. The notebook comes last, and holds
the checksums of the others: where publish was killed while it replaced a publication, verify and
--index say so. Published again from the same commit on the same machine, the files are the same but
for durations (and so the checksum of the page), and for cells tagged timing.
No folder, user or host of this machine is in them: folders in outputs are shortened, and what else is
found is an error. verify makes a published notebook again and compares.

--index DIR writes DIR/index.html, a page of all notebooks published there: title, picture, table of
results (those of the cell tagged headline, or else the last ones), and what they were made with.`,
		Example: `  go run ./kernel publish notebooks/01-quickstart.ipynb -o published
  go run ./kernel publish notebooks/01-quickstart.ipynb -p images=500 -p rs=2,5 -o published
  go run ./kernel publish --index published`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case listed != "" && len(args) == 0 && output == "":
				return writeIndex(cmd.ErrOrStderr(), listed)
			case len(args) == 0:
				return failure.Usage("no notebook given: name one, as in: go run ./kernel publish notebooks/01-quickstart.ipynb -o published")
			case len(args) > 1:
				return failure.Usage("%d notebooks given: publish them one by one", len(args))
			case output == "":
				return failure.Usage("no folder given: add -o DIR, as in: go run ./kernel publish %s -o published", args[0])
			}
			opts, err := bounds.options(cmd)
			if err != nil {
				return err
			}
			if err := publish(cmd.Context(), cmd.ErrOrStderr(), args[0], output, settings, opts); err != nil || listed == "" {
				return err
			}
			return writeIndex(cmd.ErrOrStderr(), listed)
		},
	}
	cmd.Flags().StringArrayVarP(&settings, "parameter", "p", nil, "set a parameter, as `name=value` (a list as name=1,2,3); may be repeated")
	cmd.Flags().StringVarP(&output, "output", "o", "", "publish into this `folder`")
	bounds.add(cmd)
	cmd.Flags().StringVar(&listed, "index", "", "write index.html of the notebooks published in this `folder`")
	return cmd
}

// publish executes a notebook and writes all that is published of it.
func publish(ctx context.Context, progress io.Writer, path, output string, settings []string, opts runner.Options) error {
	work, err := publication.Begin(path, output, settings)
	if err != nil {
		return err
	}
	defer work.Discard()
	machine, err := provision.ThisMachine()
	if err != nil {
		return err
	}
	if err := machine.Ensure(ctx, progress, provision.Options{}); err != nil {
		return err
	}
	if opts.Spec, err = machine.KernelSpec(); err != nil {
		return err
	}
	if err := work.Execute(ctx, opts); err != nil {
		return err
	}
	if err := work.Finish(ctx, machine); err != nil {
		return err
	}
	if !work.Record.Clean {
		fmt.Fprintln(progress, "publish: the checkout has changes that are not committed: nobody else can make this again; commit them and publish anew")
	}
	fmt.Fprintf(progress, "publish: %s\n", strings.Join(work.Files(), ", "))
	return nil
}

func writeIndex(progress io.Writer, dir string) error {
	entries, err := index.Read(dir)
	if err != nil {
		return err
	}
	page, err := index.Page(entries)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "index.html")
	if err := publication.WriteFile(path, page); err != nil {
		return failure.Work("%w", err)
	}
	fmt.Fprintf(progress, "publish: %s lists %d of %s\n", path, len(entries), dir)
	return nil
}
