// Package accel chooses where graphs run: an XLA plugin (CUDA, then CPU), else GoMLX's pure Go
// backend, which needs nothing installed and is slower. GOMLX_BACKEND, when set, decides alone.
//
// `go run ./kernel setup` installs the plugins into [PluginDir].
//
// # The compile cache
//
// XLA compiles a graph for seconds, and a notebook's kernel starts a process for each cell. So graphs
// that were compiled once are kept on disk, and a process that has the same graph again loads it. DeiT-S under MCTF
// (r=16, batch 16) takes 1.4 s from start to logits on 2 cores the first time and 0.8 then, most of which is its
// computation; without package native's operations it was 12 and 1.6 (BenchmarkProcess). What gains most is
// what XLA compiles alone: training, and criteria of one's own.
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
// # Operations in C
//
// Where a plugin for CPUs takes functions of C (PJRT's extension for XLA's foreign function interface), models run by
// those of package native: the same copy of the table tells the plugin of them, and has the program call them before
// it is looked up in the cache, or compiled.
//
// # What a fusion step costs on a CPU
//
// DeiT-S, batch 16, under MCTF (r=16), in milliseconds on 2 cores of an AMD EPYC (medians, the cases of a row in
// turn, graphs from the cache), and what a new graph compiles in (kernel bench --compile):
//
//	                         base model    MCTF    cut alike
//	all by XLA               997          654     577
//	package native           719           424     398
//	compiling, all by XLA    0.7 s         11.7 s  3.5 s
//	with package native      0.3 s         0.4 s   0.4 s
//
// Of MCTF's time beyond cutting most is in what it has to compute: queries, keys and the map are those of the tokens
// before they fuse.
//
// All by XLA, compiling is slow by the number of kernels: some 25 ms of processor time each, however small, and no
// two layers under MCTF share one, having other numbers of tokens, while the twelve layers of the plain model share all
// theirs. That is what training still takes, and a criterion or pooling of one's own in part.
//
// Tried for XLA's part, and not faster: weights and sizes by sums in place of products with 0/1 matrices (but fewer
// kernels, which is why it is so now), or by gathers; an optimization barrier before the tokens are read; the scheduler
// without concurrency (xla_cpu_enable_concurrency_optimized_scheduler=false); dividing attention by its sums only
// after the product with the values; queries, keys and values by one product; products over batches in two or four
// parts; weights laid out [in, out], which go to XNNPACK's products (2 to 8% faster at batch 16, 10% slower to 16%
// faster at batch 1). Without the newer emitters (xla_cpu_use_fusion_emitters=false) a graph with MCTF compiled in two
// thirds of the time and ran a tenth slower, and the plain model compiled in twice its time. GoMLX's backend for ONNX
// Runtime (compute-onnx v0.1.5) ran the plain model no faster than XLA (1117 ms for 1012, medians of 7 in turn), and
// lacks operations of MCTF's step, and bfloat16 on CPUs.
//
// # bfloat16 on a CPU
//
// Linear layers multiply bfloat16 by the processor's own instructions (AVX512-BF16) in package native; attention is
// float32 there. XLA's CPU (the plugin of xla-cpu-pjrt 0.0.1), which trains, has those instructions only where the
// product is float32. Where it is bfloat16 it converts the factors to float32, multiplies those, and converts back:
// slower than float32 from the start. A product [3152, 384] with [1536, 384] ran at 97 GMAC/s in float32, 96 in bfloat16
// to bfloat16, 151 in bfloat16 to float32; with the second factor [384, 1536] it is 96 again. Attention's products over
// batches are converted in any case. So the models of package vit multiply bfloat16 into float32, weights as PyTorch
// lays them out (vit.BFloat16). Flags made no difference that could be told from noise: xla_cpu_use_onednn,
// xla_cpu_experimental_onednn_custom_call, the fusion types of oneDNN, YNNPACK and XNNPACK, xla_cpu_use_xnnpack,
// xla_allow_excess_precision.
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
