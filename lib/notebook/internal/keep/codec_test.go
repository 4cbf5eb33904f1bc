package keep

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/result"
	"tokenfuse/lib/weights"
)

// roundTrip writes a value and reads it again.
func roundTrip[T any](t *testing.T, value T) T {
	t.Helper()
	if err := CanKeep(reflect.TypeFor[T]()); err != nil {
		t.Fatal(err)
	}
	data, err := Encode(value)
	if err != nil {
		t.Fatalf("%T: %v", value, err)
	}
	read, err := Decode[T](data)
	if err != nil {
		t.Fatalf("%T: %v", value, err)
	}
	if sum(t, value) != sum(t, read) {
		t.Errorf("%v came back as %v", value, read)
	}
	return read
}

func TestRoundTrip(t *testing.T) {
	roundTrip(t, 3)
	roundTrip(t, 0)
	roundTrip(t, "")
	roundTrip(t, math.NaN())
	roundTrip(t, []float64{0.1, math.Inf(1), math.NaN()})
	roundTrip(t, []int(nil))
	roundTrip(t, map[string][]int{"a": {1}, "b": nil})
	roundTrip(t, time.Unix(3, 4).UTC())
	accuracy := 0.5
	roundTrip(t, []result.TrainingRow{{Step: 1, AccuracyTop1: &accuracy, Parts: map[string]float64{"loss": 0.25}}})
	roundTrip(t, []result.Row{
		{Model: "m", Method: "mctf", Fusion: []byte(`{"r":4}`), GMACs: 0.1, AccuracyTop1: 1. / 3, Tokens: []int{50, 46}, Seed: math.MinInt64},
		{},
	})
	w := tensors.FromValue([][]float32{{1, float32(math.NaN())}, {-0.5, math.SmallestNonzeroFloat32}})
	roundTrip(t, w)
	roundTrip(t, tensors.FromScalar(int64(7)))
	roundTrip(t, map[string]*tensors.Tensor{"head.weight": w, "tokens": tensors.FromValue([]int32{50, 46})})
	list := roundTrip(t, []*tensors.Tensor{w, tensors.FromValue([]uint8{255})})
	if len(list) != 2 {
		t.Errorf("%d tensors, want 2", len(list))
	}
	file := roundTrip(t, &weights.File{Tensors: map[string]*tensors.Tensor{"w": w}, Metadata: map[string]string{"a": "b"}})
	if file.Metadata["a"] != "b" {
		t.Errorf("metadata %v", file.Metadata)
	}
}

type branch struct {
	Children []branch
	Visit    func()
}

func TestCannotKeep(t *testing.T) {
	for name, c := range map[string]struct {
		of   reflect.Type
		want string
	}{
		"a function":         {reflect.TypeFor[func()](), "func() is a func(), which no file can hold"},
		"deep within":        {reflect.TypeFor[map[string]branch](), "map[string]keep.branch[].Visit is a func()"},
		"an interface":       {reflect.TypeFor[[]any](), "[]interface {}[] is a interface {}"},
		"an error":           {reflect.TypeFor[error](), "no file can hold"},
		"not exported":       {reflect.TypeFor[inner](), "keep.inner.n is not exported, and would be lost"},
		"a tensor in a list": {reflect.TypeFor[struct{ W *tensors.Tensor }](), ".W is a tensor within another value"},
	} {
		if err := CanKeep(c.of); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	zero := 0.0
	for name, encode := range map[string]func() error{
		"a pointer to a zero": func() error { _, err := Encode([]result.TrainingRow{{AccuracyTop1: &zero}}); return err },
		"a type not written":  func() error { _, err := Encode(tensors.FromValue([]float64{1})); return err },
		"no tensor":           func() error { _, err := Encode((*tensors.Tensor)(nil)); return err },
		"nil in a map":        func() error { _, err := Encode(map[string]*tensors.Tensor{"w": nil}); return err },
		"a nil pointer":       func() error { _, err := Encode((*result.Row)(nil)); return err },
	} {
		if err := encode(); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want an error of one line", name, err)
		}
	}
}

// FuzzDecode: bytes that Encode did not write are a value or an error.
func FuzzDecode(f *testing.F) {
	for _, seed := range []any{[]result.Row{{Model: "m", Tokens: []int{1}}}, tensors.FromValue([]float32{1, 2}), map[string][]int{"a": {1}}} {
		data, err := encode(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = Decode[[]result.Row](data)
		_, _ = Decode[*tensors.Tensor](data)
		_, _ = Decode[[]*tensors.Tensor](data)
		_, _ = Decode[map[string][]int](data)
		_, _ = Decode[*weights.File](data)
	})
}
