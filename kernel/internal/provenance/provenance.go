// Package provenance says what a published notebook was made with: Gather finds it out, Set and Get keep
// it in the notebook's metadata under tokenfuse.provenance, Table shows the short of it as Markdown.
// Nothing in it names a folder, a user or a host of the machine.
package provenance

import (
	"errors"
	"slices"

	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/lib/inputs"
)

// format is the version of the record.
const format = 1

// Provenance is what a notebook was made with.
type Provenance struct {
	Format   int    `json:"format"`
	Notebook string `json:"notebook"` // below the checkout, or the file's name alone
	Commit   string `json:"commit"`   // of Tokenfuse; "unknown" outside of a repository
	Clean    bool   `json:"clean"`    // the tree held nothing but that commit

	Go      string            `json:"go"`
	Modules map[string]string `json:"modules"` // versions by path, as go.mod requires them
	GoNB    string            `json:"gonb"`

	Backends  []string `json:"backends"` // that cells used: "XLA CPU"
	Plugin    *Plugin  `json:"plugin,omitempty"`
	System    string   `json:"system"` // "linux/amd64"
	Processor string   `json:"processor"`
	Cores     int      `json:"cores"`
	Device    string   `json:"device,omitempty"` // the accelerator's name

	Inputs     []inputs.Input `json:"inputs"` // datasets, weights, result rows
	Parameters []Parameter    `json:"parameters"`
	Seeds      []string       `json:"seeds"`

	// Figures names the files with the data behind figures.
	Figures []string `json:"figures"`
	// Cells are the checksums of the cells as they were published, by their ids.
	Cells map[string]Checksums `json:"cells"`
}

// Plugin is the XLA plugin of the backend.
type Plugin struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

// Parameter is one parameter with its value in Go's syntax.
type Parameter struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Given bool   `json:"given"` // by -p, rather than by the notebook itself
}

// Durations are the seconds that it took; the one part of a published notebook, but for cells tagged
// timing, that differs when it is published again.
type Durations struct {
	Total float64            `json:"total_seconds"`
	Cells map[string]float64 `json:"cell_seconds"` // by the cells' ids
	// Files are the checksums of page and data, which show durations: see SetFiles.
	Files map[string]string `json:"files,omitempty"`
}

// The fields of the notebook's metadata.
const (
	metadataKey   = "tokenfuse"
	provenanceKey = "provenance"
	durationsKey  = "durations"
)

// CellID is the id of the cell that shows the table.
const CellID = "tokenfuse-provenance"

// Set keeps the record in the notebook's metadata, beside what else is there of Tokenfuse.
func Set(n *nbformat.Notebook, p Provenance, d Durations) error {
	project := nbformat.Object{}
	if _, ok := n.Metadata[metadataKey]; ok && !n.Metadata.Get(metadataKey, &project) {
		return errors.New("the notebook's metadata tokenfuse is no object")
	}
	return errors.Join(project.Set(provenanceKey, p), project.Set(durationsKey, d), n.Metadata.Set(metadataKey, project))
}

// Get returns the record of a published notebook; false where there is none that fits.
func Get(n *nbformat.Notebook) (Provenance, Durations, bool) {
	var p Provenance
	var d Durations
	project := nbformat.Object{}
	n.Metadata.Get(metadataKey, &project)
	ok := project.Get(provenanceKey, &p) && p.Format == format
	project.Get(durationsKey, &d)
	return p, d, ok
}

// Strip removes record and table, as the notebook was before it was published.
func Strip(n *nbformat.Notebook) error {
	n.Cells = slices.DeleteFunc(n.Cells, func(c *nbformat.Cell) bool { return c.ID == CellID })
	project := nbformat.Object{}
	if !n.Metadata.Get(metadataKey, &project) {
		return nil
	}
	delete(project, provenanceKey)
	delete(project, durationsKey)
	if len(project) == 0 {
		delete(n.Metadata, metadataKey)
		return nil
	}
	return n.Metadata.Set(metadataKey, project)
}
