package provision

import "os"

// packageCure returns the command that installs a package of the system, by the names that Debian,
// Fedora and Homebrew give it.
func (m *Machine) packageCure(debian, fedora, brew string) string {
	if m.OS == "darwin" {
		return "brew install " + brew
	}
	sudo := ""
	if _, err := m.LookPath("sudo"); err == nil && os.Geteuid() != 0 {
		sudo = "sudo "
	}
	if _, err := m.LookPath("dnf"); err == nil {
		return sudo + "dnf install -y " + fedora
	}
	return sudo + "apt-get install -y " + debian
}

// compilerCure returns the command that installs a C compiler.
func (m *Machine) compilerCure() string {
	if m.Getenv("CGO_ENABLED") == "0" {
		return "unset CGO_ENABLED"
	}
	if m.OS == "darwin" {
		return "xcode-select --install"
	}
	return m.packageCure("gcc libc6-dev", "gcc", "gcc")
}

// pythonCure returns the command that installs Python with what JupyterLab's environment takes.
func (m *Machine) pythonCure() string {
	return m.packageCure("python3 python3-venv", "python3", "python")
}
