//go:build linux && amd64

package provision

import (
	"context"
	"os"
	"path/filepath"

	"github.com/gomlx/go-xla/installer"

	"tokenfuse/kernel/internal/failure"
)

// The release of JAX whose plugin is taken, and the CUDA that it is built for.
const (
	cudaPackage = "cuda13"
	cudaVersion = "0.12.0.1"
)

// checkCUDA says why there can be no plugin for NVIDIA GPUs here, if so.
func (m *Machine) checkCUDA() error {
	if why := m.whyNoPlugins(); why != "" {
		return failure.Missing(m.compilerCure(), "--cuda: %s", why)
	}
	return nil
}

// cudaPart installs the CUDA plugin with NVIDIA's libraries, some gigabytes. go-xla's installer wants
// a folder called go-xla, and links libraries into its parent: that is Home/pjrt/cuda, into which a
// link from the plugin's agreed place leads.
func (m *Machine) cudaPart() part {
	version := "jax-" + cudaPackage + "-pjrt " + cudaVersion
	return part{
		title: "XLA for NVIDIA GPUs (" + version + ")",
		ready: func() bool {
			found, err := readOrigin(m.cudaPlugin(), false)
			return err == nil && found.Version == version
		},
		install: func(ctx context.Context, report *progress) error {
			staging, remove, err := m.staging()
			if err != nil {
				return err
			}
			defer remove()
			root := filepath.Join(staging, "cuda", "go-xla")
			err = watched(ctx, report, staging, 0, func() error {
				return installer.CudaInstall(cudaPackage, cudaVersion, root, false, installer.Quiet)
			})
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				return failure.Missing(SetupCommand+" --cuda again once the network is there", "no CUDA plugin: %w", err)
			}
			return m.placeCUDA(staging, origin{Version: version})
		},
	}
}

// placeCUDA moves what the installer left in staging to its place.
func (m *Machine) placeCUDA(staging string, from origin) error {
	nvidia := filepath.Join("go-xla", "nvidia")
	// The installer's link to ptxas is absolute, hence wrong after the move.
	ptxas := filepath.Join(staging, "cuda", nvidia, "bin", "ptxas")
	if err := os.Remove(ptxas); err != nil {
		return err
	}
	if err := os.Symlink(filepath.Join("..", "cu13", "bin", "ptxas"), ptxas); err != nil {
		return err
	}
	place := filepath.Join(filepath.Dir(m.cudaPlugin()), "cuda")
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(place); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(staging, "cuda"), place); err != nil {
		return err
	}
	link := filepath.Join(staging, "plugin.so")
	if err := os.Symlink(filepath.Join("cuda", nvidia, installer.NVIDIAPJRTPluginFileName), link); err != nil {
		return err
	}
	return m.place(link, filepath.Join(place, nvidia, installer.NVIDIAPJRTPluginFileName), m.cudaPlugin(), from)
}
