package publication

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"tokenfuse/kernel/internal/compare"
	"tokenfuse/kernel/internal/nbformat"
	"tokenfuse/kernel/internal/provenance"
	"tokenfuse/lib/inputs"
	"tokenfuse/lib/notebook"
)

// State is what was found of one thing.
type State string

// States. Other is what may be another on another machine without the notebook being wrong: commit,
// processor, backend, versions of the tools.
const (
	Equal   State = "equal"
	Differs State = "differs"
	Changed State = "changed by hand"
	Other   State = "other"
)

// Finding is a line of the report.
type Finding struct {
	What   string
	State  State
	Detail string
}

// Wrong says whether the finding speaks against the notebook.
func (f Finding) Wrong() bool { return f.State == Differs || f.State == Changed }

// Verdict compares a published notebook with its execution here. required are the modules that the
// recorded commit requires, nil where they are not known. path is where the notebook was read from.
func Verdict(p Published, again Again, required map[string]string, path string, opts compare.Options) []Finding {
	findings := inputFindings(p.Record.Inputs, again.Here.Inputs)
	findings = append(findings, moduleFindings(p.Record, again.Here, required)...)
	findings = append(findings, otherFindings(p.Record, again.Here)...)
	findings = append(findings, cellFindings(p, again.Notebook, opts)...)
	return append(findings, fileFindings(p, path)...)
}

// inputFindings compare datasets, weights and rows.
func inputFindings(recorded, here []inputs.Input) []Finding {
	type name struct{ kind, name string }
	sums := func(all []inputs.Input) map[name]string {
		m := map[name]string{}
		for _, input := range all {
			key := name{input.Kind, input.Name}
			m[key] = strings.TrimSpace(m[key] + " " + input.SHA256)
		}
		return m
	}
	was, is := sums(recorded), sums(here)
	all := maps.Clone(was)
	maps.Copy(all, is)
	keys := slices.SortedFunc(maps.Keys(all), func(a, b name) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
	var findings []Finding
	for _, key := range keys {
		finding := Finding{What: key.kind + " " + key.name, State: Equal, Detail: "SHA-256 " + brief(is[key])}
		switch {
		case was[key] == is[key]:
		case is[key] == "":
			finding.State, finding.Detail = Differs, "was read, and is not now"
		case was[key] == "":
			finding.State, finding.Detail = Differs, "is read now, and was not"
		default:
			finding.State, finding.Detail = Differs, "SHA-256 "+brief(was[key])+", now "+brief(is[key])
		}
		findings = append(findings, finding)
	}
	return findings
}

func brief(sum string) string {
	if len(sum) > 12 {
		return sum[:12] + "…"
	}
	return sum
}

// moduleFindings compare the libraries: one line where all are the same, else one for each that is not.
func moduleFindings(recorded, here provenance.Provenance, required map[string]string) []Finding {
	all := maps.Clone(recorded.Modules)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, here.Modules)
	var findings []Finding
	for _, path := range slices.Sorted(maps.Keys(all)) {
		was, is := cmp.Or(recorded.Modules[path], "none"), cmp.Or(here.Modules[path], "none")
		if was != is {
			findings = append(findings, Finding{"library " + path, Differs, was + ", now " + is})
		}
		if wanted := cmp.Or(required[path], "none"); recorded.Clean && required != nil && wanted != was {
			findings = append(findings, Finding{"library " + path, Changed, "recorded as " + was + ", and the recorded commit requires " + wanted})
		}
	}
	if len(findings) == 0 {
		findings = append(findings, Finding{"libraries", Equal, fmt.Sprintf("%d modules", len(all))})
	}
	return findings
}

// otherFindings name what is another here.
func otherFindings(recorded, here provenance.Provenance) []Finding {
	var findings []Finding
	compare := func(what, was, is string) {
		if was != is {
			findings = append(findings, Finding{what, Other, was + ", now " + is})
		}
	}
	compare("commit", recorded.Commit, here.Commit)
	if !recorded.Clean {
		findings = append(findings, Finding{"commit", Other, "published with changes that are not committed"})
	}
	compare("Go", recorded.Go, here.Go)
	compare("GoNB", recorded.GoNB, here.GoNB)
	compare("backend", strings.Join(recorded.Backends, ", "), strings.Join(here.Backends, ", "))
	compare("plugin", pluginText(recorded.Plugin), pluginText(here.Plugin))
	compare("machine", provenance.MachineText(recorded), provenance.MachineText(here))
	return findings
}

func pluginText(p *provenance.Plugin) string {
	if p == nil {
		return "none"
	}
	return fmt.Sprintf("%s %s (SHA-256 %s)", p.Name, p.Version, brief(p.SHA256))
}

// cellFindings compare the cells with what they were when published, and code cells with what they give now.
func cellFindings(p Published, again *nbformat.Notebook, opts compare.Options) []Finding {
	var findings []Finding
	now := map[string]*nbformat.Cell{}
	for _, cell := range again.Cells {
		now[cell.ID] = cell
	}
	seen := map[string]bool{provenance.CellID: true}
	number := 0
	for _, cell := range p.Notebook.Cells {
		if cell.ID == provenance.CellID {
			continue
		}
		seen[cell.ID] = true
		what := fmt.Sprintf("text %q", cell.ID)
		if cell.Kind == nbformat.Code {
			what = fmt.Sprintf("cell %q", cell.ID)
			if cell.Runs() {
				number++
				what = fmt.Sprintf("cell %d", number)
			}
		}
		finding := Finding{What: what, State: Equal}
		if cell.Runs() && now[cell.ID] != nil {
			finding = cellFinding(what, compare.Cells(cell, now[cell.ID], opts))
		}
		if by := byHand(p.Record, cell); by != "" {
			finding.State = Changed
			finding.Detail = strings.TrimSuffix(by+"; "+finding.Detail, "; ")
		}
		if cell.Runs() || finding.Wrong() {
			findings = append(findings, finding)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.Record.Cells)) {
		if !seen[id] {
			findings = append(findings, Finding{fmt.Sprintf("cell %q", id), Changed, "was taken out"})
		}
	}
	return findings
}

// byHand says what of a cell is not as it was published.
func byHand(record provenance.Provenance, cell *nbformat.Cell) string {
	was, ok := record.Cells[cell.ID]
	is := provenance.Sum(cell)
	switch {
	case !ok:
		return "was added"
	case was.Source != is.Source:
		return "its source is not the published one"
	case was.Outputs != is.Outputs:
		return "its output is not the published one"
	}
	return ""
}

func cellFinding(what string, found compare.Cell) Finding {
	if len(found.Differences) > 0 {
		return Finding{what, Differs, strings.Join(found.Differences, "; ")}
	}
	var parts []string
	switch {
	case found.Timing && found.Numbers > 0:
		parts = append(parts, "times are not compared")
	case found.Numbers > 0:
		text := count(found.Numbers, "number")
		if found.Largest > 0 {
			text += fmt.Sprintf(" within %.2g", found.Largest)
		}
		parts = append(parts, text)
	}
	if found.Pictures > 0 {
		parts = append(parts, count(found.Pictures, "picture"))
	}
	return Finding{what, Equal, strings.Join(parts, ", ")}
}

func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// fileFindings look at what shows the same a second time: the table at the end, the page, the data of figures.
func fileFindings(p Published, path string) []Finding {
	var findings []Finding
	name := filepath.Base(p.Record.Notebook)
	table := slices.IndexFunc(p.Notebook.Cells, func(c *nbformat.Cell) bool { return c.ID == provenance.CellID })
	if table < 0 || p.Notebook.Cells[table].Source != provenance.Table(p.Record, p.Took, name) {
		findings = append(findings, Finding{"table of provenance", Changed, "it does not say what the metadata say"})
	}
	known := map[string]bool{}
	// A notebook may travel without its files, but not with some of them.
	if misfits, any := provenance.Misfits(p.Notebook, filepath.Dir(path)); any {
		for _, m := range misfits {
			known[m.Name] = true
			findings = append(findings, Finding{"file " + m.Name, Changed, m.Why})
		}
	}
	var rows []string
	for _, cell := range p.Notebook.Cells {
		for _, output := range cell.Outputs {
			if text, ok := output.Data.Text(string(notebook.MIMERows)); ok {
				rows = append(rows, text)
			}
		}
	}
	for _, file := range p.Record.Figures {
		if !filepath.IsLocal(filepath.FromSlash(file)) {
			findings = append(findings, Finding{"data " + file, Changed, "is a path out of the folder"})
			continue
		}
		content, err := provenance.ReadBeside(filepath.Dir(path), file)
		if err == nil && !known[file] && !slices.Contains(rows, string(content)) {
			findings = append(findings, Finding{"data " + file, Changed, "it does not hold the rows in the notebook"})
		}
	}
	return findings
}
