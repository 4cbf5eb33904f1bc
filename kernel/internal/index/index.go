// Package index makes the page of a folder of published notebooks: one HTML file, ready for any static
// host, that holds its pictures and asks nobody for anything.
package index

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"tokenfuse/kernel/internal/failure"
	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/provenance"
	"tokenfuse/kernel/internal/publication"
)

//go:embed index.html.tmpl
var files embed.FS

// HeadlineTag marks the cell whose picture and table stand for the notebook.
const HeadlineTag = "headline"

// Entry is a published notebook on the page.
type Entry struct {
	Name, Title, Summary string
	Picture              template.URL // data
	Alt                  string
	Table                template.HTML
	Record               provenance.Provenance
}

// Read reads the published notebooks of a folder, in the order of their names. A folder that holds none
// is bad input; a notebook whose page or data are not those published with it is an error.
func Read(dir string) ([]Entry, error) {
	names, err := fs.Glob(os.DirFS(dir), "*.ipynb")
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, name := range names {
		notebook, err := nbformat.Read(filepath.Join(dir, name))
		if err != nil {
			return nil, failure.Usage("%w", err)
		}
		if record, _, ok := provenance.Get(notebook); ok {
			if misfits, _ := provenance.Misfits(notebook, dir); len(misfits) > 0 {
				return nil, failure.Work("%s: %s %s", filepath.Join(dir, name), misfits[0].Name, misfits[0].Why)
			}
			entries = append(entries, entry(strings.TrimSuffix(name, ".ipynb"), notebook, record))
		}
	}
	if len(entries) == 0 {
		return nil, failure.Usage("folder %q holds no published notebook: publish one with go run ./kernel publish NOTEBOOK -o %s", dir, dir)
	}
	return entries, nil
}

func entry(name string, n *nbformat.Notebook, record provenance.Provenance) Entry {
	e := Entry{Name: name, Title: publication.Title(n, name), Summary: summary(n), Record: record}
	cells := n.Cells
	for _, cell := range n.Cells {
		if cell.HasTag(HeadlineTag) {
			cells = []*nbformat.Cell{cell}
		}
	}
	// The last ones: results come at the end.
	for _, cell := range cells {
		for _, output := range cell.Outputs {
			if picture, ok := output.Data.Text("image/png"); ok {
				e.Picture = template.URL("data:image/png;base64," + strings.Join(strings.Fields(picture), ""))
				e.Alt = e.Title
				output.Metadata.Get("alt", &e.Alt)
			}
			if page, ok := output.Data.Text("text/html"); ok && plainTable(page) {
				e.Table = template.HTML(page)
			}
		}
	}
	return e
}

// marks are those of a table and of text in it; what else HTML can do has no place on a page of many.
var marks = regexp.MustCompile(`(?i)</?(?:table|thead|tbody|tfoot|tr|th|td|b|i|em|strong|code|sub|sup|br)(?:\s+(?:class|style|align|scope)="[\w\s:;-]*")*\s*/?>`)

// plainTable says whether an output is a table and nothing else.
func plainTable(page string) bool {
	trimmed := strings.TrimSpace(page)
	return strings.HasPrefix(trimmed, "<table") && strings.HasSuffix(trimmed, "</table>") && !strings.ContainsAny(marks.ReplaceAllString(trimmed, ""), "<>")
}

// summary is the first paragraph of text.
func summary(n *nbformat.Notebook) string {
	for _, cell := range n.Cells {
		if cell.Kind != nbformat.Markdown || cell.ID == provenance.CellID {
			continue
		}
		for paragraph := range strings.SplitSeq(cell.Source, "\n\n") {
			text := strings.Join(strings.Fields(paragraph), " ")
			if text != "" && !strings.ContainsAny(text[:1], "#<|!$-*>`") || strings.HasPrefix(text, "**") {
				return plain(text)
			}
		}
	}
	return ""
}

var (
	links    = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	formulas = regexp.MustCompile(`[^.!?]*\$[^$]*\$[^.!?]*[.!?]?`) // and the sentence around
)

// plain is Markdown without its marks, and without sentences that hold a formula.
func plain(text string) string {
	text = formulas.ReplaceAllString(links.ReplaceAllString(text, "$1"), "")
	return strings.TrimSpace(strings.NewReplacer("**", "", "`", "", "*", "").Replace(text))
}

// Page writes the entries as HTML.
func Page(entries []Entry) ([]byte, error) {
	parsed, err := template.New("index.html.tmpl").Funcs(template.FuncMap{
		"machine": provenance.MachineText,
		"short":   func(commit string) string { return commit[:min(len(commit), 12)] },
	}).ParseFS(files, "index.html.tmpl")
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	err = parsed.Execute(&page, entries)
	return page.Bytes(), err
}
