//go:build cgo && (linux || darwin)

package accel_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/go-xla/pjrt"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// needXLA skips where XLA is not installed, and gives the processes of the test a cache of their own.
func needXLA(t testing.TB) (plugin, cache string) {
	t.Helper()
	plugin, ok := strings.CutPrefix(accel.Choice(), "xla:")
	if !ok {
		t.Skip("XLA is not installed")
	}
	cache = t.TempDir()
	t.Setenv(accel.CacheVariable, cache)
	return plugin, cache
}

// smallLogits is logits of a small model.
func smallLogits() (string, error) {
	return logits(vit.Config{ImageSize: vit.ImageSize{Height: 32, Width: 32}, PatchSize: 8, Channels: 3, Dim: 32, Depth: 2, Heads: 2, MLPRatio: 2, Classes: 10}, 3, 4)
}

// deitLogits is logits of DeiT-S for 16 images.
func deitLogits() (string, error) {
	config, err := vit.ConfigOf("deit_small_patch16_224")
	if err != nil {
		return "", err
	}
	return logits(config, 16, 16)
}

// logits returns the SHA-256 of the logits of an untrained model under MCTF.
func logits(config vit.Config, r float64, batch int) (string, error) {
	backend, err := accel.New(accel.Choice())
	if err != nil {
		return "", err
	}
	model, err := vit.New(config, 1)
	if err != nil {
		return "", err
	}
	classifier, err := model.WithBackend(backend, fusion.MCTF{R: r})
	if err != nil {
		return "", err
	}
	dims := []int{batch, config.Channels, config.ImageSize.Height, config.ImageSize.Width}
	pixels := make([]float32, dims[0]*dims[1]*dims[2]*dims[3])
	for i := range pixels {
		pixels[i] = float32(i*7919%1000)/500 - 1
	}
	logits, err := classifier.Logits(tensors.FromFlatDataAndDimensions(pixels, dims...))
	if err != nil {
		return "", err
	}
	bits, err := binary.Append(nil, binary.LittleEndian, tensors.MustCopyFlatData[float32](logits))
	return fmt.Sprintf("%x", sha256.Sum256(bits)), err
}

// TestSameLogits: what another process compiled gives the same logits, to the last bit.
func TestSameLogits(t *testing.T) {
	_, cache := needXLA(t)
	compiled := run(t, "logits")
	if compiled.Hits != 0 || compiled.Misses < 1 {
		t.Fatalf("first: %+v", compiled)
	}
	loaded := run(t, "logits")
	if loaded.Hits != compiled.Misses || loaded.Misses != 0 || loaded.Result != compiled.Result {
		t.Errorf("second: %+v, want what the first computed, %+v", loaded, compiled)
	}
	if plain := run(t, "logits", accel.CacheVariable+"=off"); plain.Hits+plain.Misses != 0 || plain.Result != compiled.Result {
		t.Errorf("without the cache: %+v, want %q", plain, compiled.Result)
	}

	path := largestFile(t, cache)
	entry, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	entry[len(entry)/2] ^= 1
	writeFile(t, path, string(entry))
	if damaged := run(t, "logits"); damaged.Misses < 1 || damaged.Result != compiled.Result {
		t.Errorf("from a damaged entry: %+v, want %q", damaged, compiled.Result)
	}
	if again := run(t, "logits"); again.Misses != 0 || again.Result != compiled.Result {
		t.Errorf("after a damaged entry: %+v", again)
	}
}

// donating updates its first argument in place; it also multiplies, reduces and sorts, so that kernels
// of several kinds go through the cache.
const donating = `module @donating {
  func.func @main(%state: tensor<64x64xf32> {tf.aliasing_output = 0 : i32}, %step: tensor<64x64xf32>) -> (tensor<64x64xf32>, tensor<64xf32>) {
    %next = stablehlo.dot_general %state, %step, contracting_dims = [1] x [0] : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
    %zero = stablehlo.constant dense<0.0> : tensor<f32>
    %sums = stablehlo.reduce(%next init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<64x64xf32>, tensor<f32>) -> tensor<64xf32>
    %sorted = "stablehlo.sort"(%sums) <{dimension = 0 : i64, is_stable = true}> ({
    ^bb0(%a: tensor<f32>, %b: tensor<f32>):
      %less = stablehlo.compare LT, %a, %b, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
      stablehlo.return %less : tensor<i1>
    }) : (tensor<64xf32>) -> tensor<64xf32>
    return %next, %sorted : tensor<64x64xf32>, tensor<64xf32>
  }
}`

// TestLoadedIsCompiled: an executable that was loaded has the memory, aliases and outputs of the one
// that was compiled, and updates donated arguments in the same way.
func TestLoadedIsCompiled(t *testing.T) {
	path, _ := needXLA(t)
	client := newClient(t, path)
	program := fmt.Sprintf("%s // %d", donating, time.Now().UnixNano()) // new to the cache of this process
	hits, misses := accel.CacheStats()
	var executables [2]*pjrt.LoadedExecutable
	for i := range executables {
		var err error
		if executables[i], err = client.Compile().WithStableHLO([]byte(program)).Done(); err != nil {
			t.Fatal(err)
		}
	}
	if nowHits, nowMisses := accel.CacheStats(); nowHits != hits+1 || nowMisses != misses+1 {
		t.Fatalf("%d hits and %d misses, want one each", nowHits-hits, nowMisses-misses)
	}
	compiled, loaded := executables[0], executables[1]
	if compiled.Name != loaded.Name || compiled.NumOutputs != loaded.NumOutputs {
		t.Errorf("%s with %d outputs, compiled %s with %d", loaded.Name, loaded.NumOutputs, compiled.Name, compiled.NumOutputs)
	}
	want, got := compiled.OnDeviceMemoryUsageStats, loaded.OnDeviceMemoryUsageStats
	if got != want || want.Aliases == 0 {
		t.Errorf("memory %+v, compiled %+v", got, want)
	}
	if got, want := repeated(t, client, loaded), repeated(t, client, compiled); got != want {
		t.Errorf("computes %s, compiled %s", got, want)
	}
}

// repeated runs an executable of donating five times upon its own first output.
func repeated(t *testing.T, client *pjrt.Client, executable *pjrt.LoadedExecutable) string {
	t.Helper()
	values := make([]float32, 64*64)
	for i := range values {
		values[i] = float32(i*7919%1000)/4000 - 0.125
	}
	state, err := pjrt.ArrayToBuffer(client, values, 64, 64)
	if err != nil {
		t.Fatal(err)
	}
	step, err := pjrt.ArrayToBuffer(client, values, 64, 64)
	if err != nil {
		t.Fatal(err)
	}
	var sorted []float32
	for range 5 {
		out, err := executable.Execute(state, step).Donate(0).Done()
		if err != nil {
			t.Fatal(err)
		}
		state = out[0]
		if sorted, _, err = pjrt.BufferToArray[float32](out[1]); err != nil {
			t.Fatal(err)
		}
	}
	last, _, err := pjrt.BufferToArray[float32](state)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(last, sorted)
}

// newClient returns a client of go-xla's, on the plugin with the compile cache.
func newClient(t testing.TB, path string) *pjrt.Client {
	t.Helper()
	if _, err := accel.New("xla:" + path); err != nil {
		t.Fatal(err)
	}
	plugin, err := pjrt.GetPlugin(path)
	if err != nil {
		t.Fatal(err)
	}
	client, err := plugin.NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestTable: the places of functions in pjrt.h are those of the header that go-xla comes with.
func TestTable(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/gomlx/go-xla").Output()
	if err != nil {
		t.Skipf("no go command: %v", err)
	}
	header, err := os.ReadFile(strings.TrimSpace(string(dir)) + "/pjrt/pjrt_c_api.h")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(header), "typedef struct PJRT_Api {")
	places := map[string]string{}
	for i, field := range regexp.MustCompile(`_PJRT_API_STRUCT_FIELD\((\w+)\);`).FindAllStringSubmatch(table, -1) {
		places[field[1]] = fmt.Sprint(i)
	}
	ours, err := os.ReadFile("pjrt.h")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\t(PJRT_\w+) = (\d+),$`).FindAllStringSubmatch(string(ours), -1)
	if len(found) < 12 {
		t.Fatalf("only %d places found", len(found))
	}
	for _, place := range found {
		if places[place[1]] != place[2] {
			t.Errorf("%s is at %s, want %s", place[1], place[2], places[place[1]])
		}
	}
}

// BenchmarkCompile compares compiling a small program with loading it.
func BenchmarkCompile(b *testing.B) {
	path, _ := needXLA(b)
	client := newClient(b, path)
	compile := func(program string) {
		executable, err := client.Compile().WithStableHLO([]byte(program)).Done()
		if err != nil {
			b.Fatal(err)
		}
		_ = executable.Destroy()
	}
	b.Run("compiled", func(b *testing.B) {
		for i := range b.N {
			compile(fmt.Sprintf("%s // %d of %d", donating, i, b.N))
		}
	})
	b.Run("loaded", func(b *testing.B) {
		compile(donating)
		for b.Loop() {
			compile(donating)
		}
	})
}

// BenchmarkProcess times processes that classify 16 images with DeiT-S under MCTF (r=16), from start
// to logits: the first, which compiles, and those after it. Best with -benchtime 1x -count 5. With -short the
// graph is a small one.
func BenchmarkProcess(b *testing.B) {
	_, cache := needXLA(b)
	task := "deit"
	if testing.Short() {
		task = "logits"
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			if err := os.RemoveAll(cache); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			run(b, task)
		}
	})
	run(b, task)
	b.Run("second", func(b *testing.B) {
		for b.Loop() {
			if got := run(b, task); got.Misses > 0 {
				b.Fatalf("%+v", got)
			}
		}
	})
}
