package accel

import (
	"fmt"
	"os"
	"path/filepath"
)

// Home returns the folder where `setup` puts what Tokenfuse installs for the user (the PJRT plugin,
// GoNB and its tools, JupyterLab): $TOKENFUSE_HOME, else $XDG_DATA_HOME/tokenfuse, else
// ~/.local/share/tokenfuse. Removing it uninstalls all of that.
func Home() (string, error) {
	if dir := os.Getenv("TOKENFUSE_HOME"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "tokenfuse"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("accel: no home folder to install in (set HOME or TOKENFUSE_HOME): %w", err)
	}
	return filepath.Join(home, ".local", "share", "tokenfuse"), nil
}

// PluginDir returns the folder of the PJRT plugins that `setup` installs, Home()/pjrt. A plugin is
// named pjrt_<platform>.so there, the platform being cpu or cuda.
func PluginDir() (string, error) {
	home, err := Home()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, "pjrt"), nil
}
