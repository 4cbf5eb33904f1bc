package compilecache

import (
	"errors"
	"os"
	"slices"
	"strings"
)

// ErrDumping says that the environment asks XLA to write down how it compiles, so it has to compile.
var ErrDumping = errors.New("XLA is asked for dumps")

// Variables that XLA and the libraries in its plugins read. That some of them change no code costs a
// compilation when they change; one left out could cost a wrong result.
var environmentPrefixes = []string{
	"XLA_", "TF_", "PJRT_", "NPROC", "LLVM_", "ONEDNN_", "DNNL_", "MKL_", "OMP_", "KMP_",
	"CUDA_", "NVIDIA_", "CUBLAS_", "CUDNN_", "NCCL_", "TRITON_", "HIP_", "ROCM_", "LD_",
}

// Environment returns the variables of environ (as os.Environ gives it) that change what a plugin
// does, sorted, each as NAME=value. XLA_FLAGS can name a file of flags, whose content is added.
func Environment(environ []string) ([]string, error) {
	var relevant []string
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if !isRelevant(name) {
			continue
		}
		// XLA takes a value that does not begin with a dash for the name of a file of flags.
		if strings.HasSuffix(name, "XLA_FLAGS") && value != "" && value[0] != '-' {
			content, err := os.ReadFile(value)
			if err != nil {
				return nil, err
			}
			variable += "\n" + string(content)
		}
		if strings.HasPrefix(name, "XLA_") && strings.Contains(variable, "xla_dump") {
			return nil, ErrDumping
		}
		relevant = append(relevant, variable)
	}
	slices.Sort(relevant)
	return relevant, nil
}

func isRelevant(name string) bool {
	if strings.HasPrefix(name, "TF_CPP_") {
		return false // what is logged, which changes nothing else
	}
	return slices.ContainsFunc(environmentPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
