//go:build !(linux && amd64)

package provision

import "tokenfuse/kernel/internal/failure"

// checkCUDA says that there is no plugin for NVIDIA GPUs on this platform.
func (m *Machine) checkCUDA() error {
	return failure.Usage("--cuda: XLA's CUDA plugin exists for linux/amd64, not for \"%s/%s\": leave --cuda out", m.OS, m.Arch)
}

// cudaPart is never asked for, since checkCUDA refuses.
func (m *Machine) cudaPart() part { return part{ready: func() bool { return true }} }
