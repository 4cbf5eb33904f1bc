package runner

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// runNBClient executes a notebook with nbclient and the kernelspec in data, a Jupyter data folder.
func runNBClient(t *testing.T, python, data, path string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), python, "testdata/run_nbclient.py", path, filepath.Dir(path))
	command.Env = append(os.Environ(), "JUPYTER_PATH="+data, "JUPYTER_RUNTIME_DIR="+t.TempDir(), "IPYTHONDIR="+t.TempDir())
	command.Stderr = t.Output()
	notebook, err := command.Output()
	if err != nil {
		t.Fatalf("nbclient: %v", err)
	}
	return notebook
}
