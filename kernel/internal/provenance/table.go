package provenance

import (
	"fmt"
	"slices"
	"strings"

	"tokenfuse/lib/inputs"
)

// named are the modules that the short table names; all are in the metadata.
var named = []struct{ path, name string }{
	{"github.com/gomlx/gomlx", "GoMLX"},
	{"github.com/gomlx/compute", "compute"},
	{"github.com/gomlx/go-xla", "go-xla"},
	{"gonum.org/v1/plot", "gonum/plot"},
}

// Table is the short of the record as Markdown. file is the name of the published notebook.
func Table(p Provenance, d Durations, file string) string {
	var text strings.Builder
	text.WriteString("## Provenance\n\n| what | with |\n| --- | --- |\n")
	row := func(what, with string) {
		if with != "" {
			fmt.Fprintf(&text, "| %s | %s |\n", what, strings.NewReplacer("|", `\|`, "\n", " ").Replace(with))
		}
	}
	row("notebook", code(p.Notebook))
	row("commit of Tokenfuse", commitText(p))
	var settings []string
	for _, parameter := range p.Parameters {
		setting := code(parameter.Name + " = " + parameter.Value)
		if parameter.Given {
			setting += " (given)"
		}
		settings = append(settings, setting)
	}
	row("parameters", strings.Join(settings, ", "))
	row("seeds", strings.Join(p.Seeds, "; "))
	row("datasets", inputText(p.Inputs, inputs.Dataset))
	row("weights", inputText(p.Inputs, inputs.Weights))
	row("result rows", inputText(p.Inputs, inputs.Rows))
	libraries := []string{}
	for _, module := range named {
		if version, ok := p.Modules[module.path]; ok {
			libraries = append(libraries, module.name+" "+version)
		}
	}
	row("libraries", strings.Join(append(libraries, "GoNB "+p.GoNB, "Go "+p.Go), ", "))
	backend := strings.Join(p.Backends, ", ")
	if p.Plugin != nil {
		backend += fmt.Sprintf(": %s (%s, SHA-256 %s)", p.Plugin.Name, p.Plugin.Version, code(short(p.Plugin.SHA256)))
	}
	row("backend", backend)
	row("machine", MachineText(p))
	var figures []string
	for _, name := range p.Figures {
		figures = append(figures, fmt.Sprintf("[%s](%s)", name[strings.LastIndexByte(name, '/')+1:], strings.ReplaceAll(name, " ", "%20")))
	}
	row("data of figures", strings.Join(figures, ", "))
	row("duration", fmt.Sprintf("%.1f s", d.Total))
	fmt.Fprintf(&text, "\nAll of it is in the metadata of `%s`. To make it again and compare: `go run ./kernel verify %s`.", file, file)
	return text.String()
}

// MachineText is what it ran on, in a line.
func MachineText(p Provenance) string {
	cores := "cores"
	if p.Cores == 1 {
		cores = "core"
	}
	parts := []string{p.Processor, fmt.Sprintf("%d %s", p.Cores, cores), p.System, p.Device}
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), ", ")
}

func commitText(p Provenance) string {
	switch {
	case p.Commit == "unknown":
		return "unknown"
	case p.Clean:
		return code(p.Commit) + ", nothing changed"
	}
	return code(p.Commit) + ", **with changes** that are not committed"
}

func inputText(all []inputs.Input, kind string) string {
	var list []string
	for _, input := range all {
		if input.Kind == kind {
			list = append(list, fmt.Sprintf("%s (SHA-256 %s)", input.Name, code(short(input.SHA256))))
		}
	}
	return strings.Join(list, ", ")
}

func code(text string) string { return "`" + strings.ReplaceAll(text, "`", "'") + "`" }

// short is the beginning of a checksum, to be recognised by.
func short(sum string) string {
	if len(sum) > 12 {
		return sum[:12] + "…"
	}
	return sum
}
