package compilecache

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func example() Program {
	return Program{
		Code: "code", Format: "mlir", Options: "options", Plugin: "abc", APIMajor: 0, APIMinor: 81,
		Libraries: []string{"libcudnn"}, Client: []string{"cpu", "1", "cpu"}, Machine: "x86", Environment: []string{"XLA_FLAGS=--a"},
	}
}

// TestKeyOfEachField: a program that differs in any one field has another key.
func TestKeyOfEachField(t *testing.T) {
	keys := map[Key]string{example().Key(): "nothing"}
	fields := reflect.TypeFor[Program]()
	add := func(name string, p Program) {
		t.Helper()
		if same, ok := keys[p.Key()]; ok {
			t.Errorf("with %s changed the key is that with %s changed", name, same)
		}
		keys[p.Key()] = name
	}
	for i := range fields.NumField() {
		p, name := example(), fields.Field(i).Name
		switch field := reflect.ValueOf(&p).Elem().Field(i); field.Kind() {
		case reflect.String:
			field.SetString(field.String() + " ")
		case reflect.Int:
			field.SetInt(field.Int() + 1)
		case reflect.Slice:
			texts := field.Interface().([]string)
			field.Set(reflect.ValueOf(append(slices.Clone(texts), texts[0])))
			add(name+", longer", p)
			field.Set(reflect.ValueOf(texts[:len(texts)-1]))
			add(name+", shorter", p)
			texts = slices.Clone(texts)
			texts[len(texts)-1] += "x"
			field.Set(reflect.ValueOf(texts))
		default:
			t.Fatalf("%s is of a kind that this test does not know", name)
		}
		add(name, p)
	}
	if first, second := example().Key(), example().Key(); first != second {
		t.Error("the same program has two keys")
	}
}

// TestKeyOfNeighbours: what moves from one field into the next changes the key.
func TestKeyOfNeighbours(t *testing.T) {
	for name, pair := range map[string][2]Program{
		"code and format":        {{Code: "ab", Format: "c"}, {Code: "a", Format: "bc"}},
		"format and options":     {{Format: "ab"}, {Format: "a", Options: "b"}},
		"one text and two":       {{Client: []string{"ab"}}, {Client: []string{"a", "b"}}},
		"libraries and client":   {{Libraries: []string{"a"}}, {Client: []string{"a"}}},
		"client and environment": {{Client: []string{"a"}}, {Environment: []string{"a"}}},
		"versions":               {{APIMajor: 1}, {APIMinor: 1}},
	} {
		if pair[0].Key() == pair[1].Key() {
			t.Errorf("%s: one key", name)
		}
	}
}

func TestEnvironment(t *testing.T) {
	flags := filepath.Join(t.TempDir(), "flags")
	if err := os.WriteFile(flags, []byte("--from_file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ environ, want []string }{
		"nothing": {nil, nil},
		"of no matter": {
			[]string{"HOME=/home/someone", "TOKENFUSE_COMPILE_CACHE=/cache", "TF_CPP_MIN_LOG_LEVEL=3", "GOMLX_BACKEND=xla:cpu"}, nil,
		},
		"flags, sorted": {
			[]string{"XLA_FLAGS=--b=c", "NPROC=2", "ONEDNN_MAX_CPU_ISA=AVX2", "XLA_DEBUG_OPTIONS=a: 1", "NVIDIA_TF32_OVERRIDE=0", "TF_XLA_FLAGS=--d"},
			[]string{"NPROC=2", "NVIDIA_TF32_OVERRIDE=0", "ONEDNN_MAX_CPU_ISA=AVX2", "TF_XLA_FLAGS=--d", "XLA_DEBUG_OPTIONS=a: 1", "XLA_FLAGS=--b=c"},
		},
		"empty flags":     {[]string{"XLA_FLAGS="}, []string{"XLA_FLAGS="}},
		"a file of flags": {[]string{"XLA_FLAGS=" + flags}, []string{"XLA_FLAGS=" + flags + "\n--from_file"}},
	} {
		if got, err := Environment(c.environ); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
	for _, variable := range []string{"XLA_FLAGS=--xla_dump_to=/tmp", "XLA_DEBUG_OPTIONS=xla_dump_to: \"/tmp\"", "XLA_FLAGS=" + flags + "/none"} {
		if got, err := Environment([]string{variable}); err == nil {
			t.Errorf("%s: %q", variable, got)
		}
	}
}

const cpuinfo = `processor	: 0
vendor_id	: AuthenticAMD
cpu family	: 25
model		: 17
model name	: AMD EPYC
stepping	: 1
cpu MHz		: 2596.136
core id		: 0
flags		: fpu sse2 avx512_bf16

processor	: 1
vendor_id	: AuthenticAMD
cpu family	: 25
model		: 17
model name	: AMD EPYC
stepping	: 1
cpu MHz		: 3100.000
core id		: 1
flags		: fpu sse2 avx512_bf16
`

func TestDescribe(t *testing.T) {
	want := "vendor_id:AuthenticAMD\ncpu family:25\nmodel:17\nmodel name:AMD EPYC\nstepping:1\nflags:fpu sse2 avx512_bf16"
	if got, err := describe(cpuinfo); err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	for name, change := range map[string][2]string{
		"a feature less":     {" avx512_bf16", ""},
		"another model":      {"model\t\t: 17", "model\t\t: 1"},
		"one core differs":   {"core id\t\t: 1\nflags\t\t: fpu", "core id\t\t: 1\nflags\t\t: vme fpu"},
		"another stepping":   {"stepping\t: 1", "stepping\t: 2"},
		"an Arm's extension": {"flags\t\t:", "Features\t:"},
	} {
		if !strings.Contains(cpuinfo, change[0]) {
			t.Fatalf("%s: nothing to change", name)
		}
		if got, err := describe(strings.ReplaceAll(cpuinfo, change[0], change[1])); err != nil || got == want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := describe(strings.ReplaceAll(cpuinfo, "2596.136", "800")); err != nil || got != want {
		t.Errorf("another clock: %q, %v", got, err)
	}
	if got, err := describe("nothing: known"); err == nil {
		t.Errorf("no processor: %q", got)
	}
}

func TestMachine(t *testing.T) {
	first, err := Machine()
	if err != nil {
		if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
			t.Skip(err) // no cache on this system
		}
		t.Fatal(err)
	}
	if second, err := Machine(); err != nil || first != second || len(first) < 20 {
		t.Errorf("%q, then %q, %v", first, second, err)
	}
}

func BenchmarkKey(b *testing.B) {
	p := example()
	p.Code = strings.Repeat("x", 1<<20)
	b.SetBytes(1 << 20)
	for b.Loop() {
		p.Key()
	}
}
