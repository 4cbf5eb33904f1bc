package provision

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"tokenfuse/kernel/internal/jupyter"
	"tokenfuse/lib/accel"
)

// Finding is what was found of one part.
type Finding struct {
	Name    string `json:"name"`
	Found   bool   `json:"found"`
	Version string `json:"version,omitempty"`
	Path    string `json:"path,omitempty"`
	// Note says what is wrong, or what its absence means.
	Note string `json:"note,omitempty"`
	// Cure is the one command that puts it right; empty for a part that is found.
	Cure string `json:"cure,omitempty"`
	// Needed says that notebooks do not run without it.
	Needed bool `json:"needed"`
}

// Report is the state of a machine.
type Report struct {
	Home  string    `json:"home"`
	Parts []Finding `json:"parts"`
	// Backend is the one that programs started now choose, in the form of GOMLX_BACKEND.
	Backend     string `json:"backend"`
	BackendNote string `json:"backend_note"`
	// CompileCache is what XLA's graphs are kept in from one process to the next.
	CompileCache accel.CacheReport `json:"compile_cache"`
}

// Missing returns the first part that is needed and missing.
func (r Report) Missing() (Finding, bool) {
	for _, finding := range r.Parts {
		if finding.Needed && !finding.Found {
			return finding, true
		}
	}
	return Finding{}, false
}

// Inspect looks at each part and changes nothing. It reads the plugins through to compare their
// checksums, which takes under a second.
func (m *Machine) Inspect(ctx context.Context) (Report, error) {
	tools, err := m.tools(Options{Checks: true})
	if err != nil {
		return Report{}, err
	}
	report := Report{Home: m.Home}
	report.Parts = append(report.Parts, m.findGo(ctx), m.findCompiler(ctx))
	for _, tool := range tools {
		report.Parts = append(report.Parts, m.findTool(tool))
	}
	report.Parts = append(report.Parts, m.findCPU())
	if _, err := os.Lstat(m.cudaPlugin()); err == nil {
		report.Parts = append(report.Parts, m.findCUDA())
	}
	report.Parts = append(report.Parts, m.findKernelSpec(), m.findPython(ctx), m.findJupyter())
	report.Backend, report.BackendNote = m.backend()
	report.CompileCache = accel.Cache()
	return report, ctx.Err()
}

func (m *Machine) findGo(ctx context.Context) Finding {
	finding := Finding{Name: "go", Needed: true}
	path, version, err := m.goVersion(ctx)
	if err != nil {
		finding.Note, finding.Cure = err.Error(), "install Go from https://go.dev/dl"
		return finding
	}
	finding.Found, finding.Path, finding.Version = true, path, version
	return finding
}

func (m *Machine) findCompiler(ctx context.Context) Finding {
	finding := Finding{Name: "c compiler"}
	path, err := m.compiler()
	if err != nil {
		finding.Note, finding.Cure = m.whyNoPlugins(), m.compilerCure()
		return finding
	}
	finding.Found, finding.Path = true, path
	if said, err := command(ctx, "", nil, path, "-dumpfullversion", "-dumpversion"); err == nil {
		finding.Version = strings.TrimSpace(said)
	}
	return finding
}

func (m *Machine) findTool(tool tool) Finding {
	path := m.Tool(tool.name)
	finding := Finding{Name: tool.name, Needed: tool.name == "gonb" || tool.name == "goimports"}
	switch tool.name {
	case "gopls":
		finding.Note = "completes code in JupyterLab"
	case "staticcheck":
		finding.Note = "checks code in go run ./kernel test, which installs it"
	}
	version := builtVersion(path, tool.module)
	if version == tool.version {
		finding.Found, finding.Path, finding.Version = true, path, version
		return finding
	}
	if version != "" {
		finding.Note = fmt.Sprintf("%q is %s instead of %s", path, version, tool.version)
	}
	finding.Cure = SetupCommand
	if tool.name == "staticcheck" {
		finding.Cure = "go run ./kernel test"
	}
	return finding
}

func (m *Machine) findCPU() Finding {
	finding := Finding{Name: "xla cpu", Cure: SetupCommand}
	found, err := readOrigin(m.cpuPlugin(), true)
	switch {
	case !m.usesPlugins():
		finding.Note, finding.Cure = m.whyNoPlugins(), m.compilerCure()
	case os.IsNotExist(err):
		finding.Note = "not installed"
	case err != nil:
		finding.Note = err.Error()
	case found.Version != m.cpuVersion():
		finding.Note = fmt.Sprintf("%q is %s instead of %s", m.cpuPlugin(), found.Version, m.cpuVersion())
	default:
		finding.Found, finding.Path, finding.Version, finding.Cure = true, m.cpuPlugin(), found.Version, ""
		finding.Note = "sha256 " + found.SHA256
	}
	return finding
}

func (m *Machine) findCUDA() Finding {
	found, err := readOrigin(m.cudaPlugin(), true)
	if err != nil {
		return Finding{Name: "xla cuda", Note: err.Error(), Cure: SetupCommand + " --cuda"}
	}
	return Finding{Name: "xla cuda", Found: true, Path: m.cudaPlugin(), Version: found.Version, Note: "sha256 " + found.SHA256}
}

func (m *Machine) findKernelSpec() Finding {
	finding := Finding{Name: "kernelspec " + KernelName, Needed: true, Cure: SetupCommand}
	want, err := m.KernelSpec()
	if err != nil {
		finding.Note = err.Error()
		return finding
	}
	found, err := jupyter.ReadSpec(m.SpecDir())
	switch {
	case os.IsNotExist(err):
		finding.Note = "not installed"
	case err != nil:
		finding.Note = err.Error()
	case !reflect.DeepEqual(found, want):
		finding.Note = fmt.Sprintf("%q was made for another checkout or other parts", m.SpecDir())
	default:
		finding.Found, finding.Path, finding.Cure = true, m.SpecDir(), ""
	}
	return finding
}

func (m *Machine) findPython(ctx context.Context) Finding {
	finding := Finding{Name: "python"}
	path, version, err := m.python(ctx)
	if err != nil {
		finding.Note, finding.Cure = err.Error(), m.pythonCure()
		return finding
	}
	finding.Found, finding.Path, finding.Version = true, path, version
	return finding
}

func (m *Machine) findJupyter() Finding {
	finding := Finding{Name: "jupyterlab", Cure: SetupCommand}
	if !m.jupyterPart().ready() {
		finding.Note = "only go run ./kernel lab needs it"
		return finding
	}
	finding.Found, finding.Version, finding.Cure = true, pinned("jupyterlab"), ""
	finding.Path = m.JupyterProgram("jupyter-lab")
	return finding
}

// backend says which backend programs choose now, and why.
func (m *Machine) backend() (choice, note string) {
	choice = accel.Choice()
	switch {
	case m.Getenv("GOMLX_BACKEND") != "":
		note = "GOMLX_BACKEND says so"
	case choice != "go":
		note = "the first plugin found, CUDA before CPU"
	case m.whyNoPlugins() != "":
		note = "pure Go, slower: " + m.whyNoPlugins()
	default:
		note = "pure Go, slower: XLA is not installed"
	}
	if experiment := m.goBackendEnv()["GOEXPERIMENT"]; choice == "go" && experiment != "" {
		note += "; cells are built with GOEXPERIMENT=" + experiment
	}
	return choice, note
}

// Versions returns the versions of Go and of GoNB.
func (m *Machine) Versions(ctx context.Context) (goVersion, gonb string, err error) {
	_, goVersion, err = m.goVersion(ctx)
	return goVersion, builtVersion(m.Tool("gonb"), "github.com/janpfeifer/gonb"), err
}

// Plugin describes the installed XLA plugin for a platform, "cpu" or "cuda", after its checksum.
func (m *Machine) Plugin(platform string) (name, version, sum string, ok bool) {
	path := m.cpuPlugin()
	if platform == "cuda" {
		path = m.cudaPlugin()
	}
	found, err := readOrigin(path, true)
	return filepath.Base(path), found.Version, found.SHA256, err == nil
}
