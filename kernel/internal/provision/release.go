package provision

import (
	"context"
	"path/filepath"

	"github.com/gomlx/go-xla/installer"

	"tokenfuse/kernel/internal/failure"
)

// releasedVersion is the release of go-xla's own plugins for the CPU that is taken where there is no
// pinned wheel: the one that go-xla v0.4.5 installs by itself.
const releasedVersion = "v0.114.0"

// installRelease takes the plugin for the CPU from go-xla's own releases, which carry no checksums.
func (m *Machine) installRelease(ctx context.Context, report *progress) error {
	staging, remove, err := m.staging()
	if err != nil {
		return err
	}
	defer remove()
	platform := m.OS + "_" + m.Arch
	err = watched(ctx, report, staging, 0, func() error {
		return installer.CPUInstall(platform, releasedVersion, staging, false, installer.Quiet)
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return failure.Missing(SetupCommand+" again once the network is there", "no plugin for %q: %w", platform, err)
	}
	staged, err := filepath.EvalSymlinks(filepath.Join(staging, "pjrt_c_api_cpu_plugin.so"))
	if err != nil {
		return failure.Work("the release for %q holds no plugin: %w", platform, err)
	}
	return m.place(staged, staged, m.cpuPlugin(), origin{Version: m.cpuVersion()})
}
