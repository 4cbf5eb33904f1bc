// Package accel chooses where graphs run: an XLA plugin (CUDA, then CPU), else GoMLX's pure Go
// backend, which needs nothing installed and is slower. GOMLX_BACKEND, when set, decides alone.
//
// `go run ./kernel setup` installs the plugins into [PluginDir].
//
// # The compile cache
//
// XLA compiles a graph for seconds, and a notebook's kernel starts a process for each cell. So graphs
// that were compiled once are kept on disk, and a process that has the same graph again loads it. What
// DeiT-S under MCTF (r=16, batch 16) then takes from start to logits is mostly its computation: on 2
// cores 1.6 s instead of 12 (BenchmarkProcess); of 1.9 s of processor time 1.3 are the
// computation, 0.3 loading the graph, 0.15 drawing the weights, 0.02 starting the plugin.
//
// It stands between go-xla and the plugin: go-xla is given a copy of the plugin's table of functions
// in which PJRT_Client_Compile is ours (pjrt.c, pjrt.go). That answers from disk by
// PJRT_Executable_DeserializeAndLoad, or compiles and saves by PJRT_Executable_Serialize. All else is
// the plugin's own, and where anything is not as the published C API says, so is compiling.
//
// An answer is only ever given to the same question. An entry's name is the SHA-256 of the program, the
// compile options, the content of the plugin, the version of its API, its platform and devices, the
// processors' models and features and how many there are, XLA_FLAGS and the other variables that XLA
// and its libraries read, and for CUDA the libraries and the driver. An entry holds a checksum of its
// content: one that is damaged is compiled anew. Processes share the cache without waiting for each
// other; entries not used for longest go when it grows beyond 1 GiB or 4096 entries; and a disk that
// is full or read-only costs the cache, and nothing else. While XLA is asked for dumps (xla_dump in
// XLA_FLAGS) there is none: dumps are made by compiling.
//
// It is in tokenfuse/xla in the user's cache folder. [CacheVariable] puts it elsewhere or turns it off,
// [Cache] looks at it, [ClearCache] empties it (on the command line doctor and setup --clear-cache), and
// [CacheStats] counts what it did for this process. Who can write to its folder decides what programs
// execute: it is made for its user alone. With log/slog at the level Debug, each compilation says what
// became of it.
//
// The same holds for CUDA plugins, whose table is the same; it was measured and tested on CPUs only.
//
// # The same bits again
//
// On a CPU a graph gives the same bits each time it runs on the same machine, compiled anew or from the
// cache, in training too (TestEvaluationRepeats in package ablation, the tests of resumed runs in package train), on
// both backends. Elsewhere they may be others: XLA chooses instructions by the processor, and splits sums
// by how many processors there are; another plugin, and the pure Go backend, add in another order.
// On CUDA the same is not promised: XLA chooses kernels by timing them, and some add by atomic operations,
// in whatever order. XLA_FLAGS="--xla_gpu_deterministic_ops=true --xla_gpu_autotune_level=0" asks for the
// same bits, at the price of speed; neither was tried here, for want of a GPU.
//
// # What a fusion step costs on a CPU
//
// DeiT-S, batch 16, takes 997 ms, under MCTF (r=16) 654, and 577 where as many tokens are only cut off (medians of
// 20 batches in turn, graphs from the cache, 2 cores of an AMD EPYC). It was 691 under MCTF with 648 kernels in place
// of 518, and with the attention received as a sum, which XLA makes on one core; a product makes it in a sixth of the
// time (attention.Received). Of the 165 ms of processor time that were then between MCTF and cutting, 39 were
// products, of tokens that are to go and of the matching; 75 XLA's packing, threads and memory, and the operating
// system's scheduler; 18 the attention received; 6 choosing the pairs; the rest small kernels that norm and move
// tokens (perf's samples, each told to its kernel by its machine code).
//
// Not faster were: weights and sizes by sums in place of products with 0/1 matrices (but fewer kernels, which is why
// it is so now), or by gathers; an optimization barrier before the tokens are read; the scheduler without concurrency
// (xla_cpu_enable_concurrency_optimized_scheduler=false); dividing attention by its sums only after the product
// with the values; queries, keys and values by one product; products over batches in two or four parts. Without the
// newer emitters (xla_cpu_use_fusion_emitters=false) a graph with MCTF compiles in two thirds of the time and runs a
// tenth slower, and the plain model compiles in twice its time. GoMLX's backend for ONNX Runtime (compute-onnx
// v0.1.5) runs the plain model no faster (1117 ms for 1012, medians of 7 in turn), and lacks operations of MCTF's step,
// and bfloat16 on CPUs.
//
// Compiling is slow by the number of kernels: some 25 ms of processor time each, however small, and no two layers
// under MCTF share one, having other numbers of tokens, while the twelve layers of the plain model share all theirs.
// So cutting alone compiles in 5 times the plain model's time, and no step makes it twice. Half is LLVM, a fifth
// MLIR; what was XLA's threads waiting for each other's memory is gone (malloc.go).
//
// Weights laid out [in, out] go to XNNPACK's products in place of those of Eigen and oneDNN that [out, in] goes to.
// From one run to another DeiT-S was 2 to 8% faster with them at batch 16, and from 10% slower to 16% faster at
// batch 1. It is not done, for bfloat16 needs [out, in]: see below.
//
// # bfloat16 on a CPU
//
// Whether bfloat16 is faster depends on what the product comes out in. XLA's CPU (the plugin of
// xla-cpu-pjrt 0.0.1, on a processor with AVX512-BF16) multiplies bfloat16 by the processor's own
// instructions where the product is float32. Where it is bfloat16 it converts the factors to float32,
// multiplies those, and converts back: slower than float32 from the start. A product [3152, 384] with
// [1536, 384] ran at 97 GMAC/s in float32, 96 in bfloat16 to bfloat16, 151 in bfloat16 to float32; with
// the second factor [384, 1536] it is 96 again. Attention's products over batches are converted in any
// case. So the models of package vit multiply bfloat16 into float32, weights as PyTorch lays them out
// (vit.BFloat16): DeiT-S, batch 16, takes 685 ms in place of 944, under MCTF 449 in place of 604; what
// is between the products stays float32. Flags made no difference that could be told from noise:
// xla_cpu_use_onednn, xla_cpu_experimental_onednn_custom_call, the fusion types of oneDNN, YNNPACK
// and XNNPACK, xla_cpu_use_xnnpack, xla_allow_excess_precision.
package accel

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // the backend "go"

	"tokenfuse/lib/inputs"
)

// Backend returns the process's backend, made on the first call.
var Backend = sync.OnceValues(func() (compute.Backend, error) { return New(Choice()) })

// Choice returns the configuration that Backend uses, in the form of GOMLX_BACKEND: that variable if
// it is set, else "xla:" with the first plugin installed, CUDA before CPU, else "go".
func Choice() string {
	if config, ok := os.LookupEnv(compute.ConfigEnvVar); ok && config != "" {
		return config
	}
	if dir, err := PluginDir(); err == nil && xlaLinked {
		for _, platform := range []string{"cuda", "cpu"} {
			// Links are followed first: a plugin finds the libraries beside it by its own folder.
			path, err := filepath.EvalSymlinks(filepath.Join(dir, "pjrt_"+platform+".so"))
			if err != nil {
				continue
			}
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return "xla:" + path
			}
		}
	}
	return "go"
}

// making keeps New to one goroutine at a time, as go-xla's list of plugins wants it.
var making sync.Mutex

// New makes a backend from a configuration in the form of GOMLX_BACKEND: "go", "xla:/path/plugin.so".
func New(config string) (backend compute.Backend, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
		if err != nil {
			backend = nil
			err = fmt.Errorf("accel: no backend %q: %s: run `go run ./kernel doctor`, or set GOMLX_BACKEND=go", config, FirstLine(err))
		}
	}()
	if name, _, _ := strings.Cut(config, ":"); !xlaLinked && name == "xla" {
		return nil, fmt.Errorf("this program was built without cgo, which XLA needs (install a C compiler)")
	}
	making.Lock()
	defer making.Unlock()
	prepare(config)
	if config == "go" {
		// One operation after another, each on all cores. By default operations of the Go backend (compute
		// v0.1.6) also run beside each other, and where several compute erf (GELU) at once, as a graph of
		// two passes through a model does, each holds a worker and waits for another: for ever.
		config = "go:ops_sequential"
	}
	if backend, err = compute.NewWithConfig(config); err == nil {
		inputs.Note(inputs.Backend, Name(backend), "")
	}
	return backend, err
}

// Name says in a few words where a backend runs: "XLA CPU", "XLA CUDA", "Go".
func Name(backend compute.Backend) string {
	description := strings.ToLower(backend.Description())
	switch {
	case !strings.Contains(description, "xla") && !strings.Contains(description, "pjrt"):
		return "Go" // the one other backend that is linked
	case strings.Contains(description, "cuda") || strings.Contains(description, "gpu"):
		return "XLA CUDA"
	}
	return "XLA CPU"
}

// FirstLine returns an error's message as one line for a user: GoMLX wraps a panic of graph code in
// the name of its executor, and appends stack traces.
func FirstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	if i := strings.LastIndex(line, " panicked: "); i >= 0 {
		line = line[i+len(" panicked: "):]
	}
	return line
}

// Try runs f, which may build graphs, and returns its panic as an error of one line.
func Try(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case error:
			err = fmt.Errorf("%s", FirstLine(r))
		default:
			err = fmt.Errorf("%s", FirstLine(fmt.Errorf("%v", r)))
		}
	}()
	f()
	return nil
}
