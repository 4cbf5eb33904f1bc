package weights_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/weights"
)

// file is a safetensors file with one tensor.
func file(dtype string, shape string, data []byte) []byte {
	header := fmt.Sprintf(`{"t":{"dtype":%q,"shape":%s,"data_offsets":[0,%d]}}`, dtype, shape, len(data))
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), data...)
}

// TestPrecisions: every stored float becomes the float32 nearest to it. Bits from IEEE 754.
func TestPrecisions(t *testing.T) {
	for name, c := range map[string]struct {
		dtype string
		data  []byte
		want  []float32
	}{
		"float16":           {"F16", []byte{0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b, 0x01, 0x00, 0x00, 0x80}, []float32{1, -2, 65504, 5.9604645e-08, 0}},
		"float16 infinity":  {"F16", []byte{0x00, 0x7c, 0x00, 0xfc}, []float32{float32(math.Inf(1)), float32(math.Inf(-1))}},
		"float16 subnormal": {"F16", []byte{0xff, 0x83}, []float32{-6.097555e-05}},
		"bfloat16":          {"BF16", []byte{0x80, 0x3f, 0x00, 0xc0}, []float32{1, -2}},
		"float32":           {"F32", []byte{0, 0, 0x80, 0x3f}, []float32{1}},
		"float64":           {"F64", []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x3f}, []float32{1}},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := weights.Decode(file(c.dtype, fmt.Sprintf("[%d]", len(c.want)), c.data))
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range tensors.MustCopyFlatData[float32](f.Tensors["t"]) {
				if v != c.want[i] {
					t.Errorf("value %d is %v, want %v", i, v, c.want[i])
				}
			}
		})
	}
}

// TestHeaderLikeAPickle: a header of 640 bytes begins with the bytes of an old PyTorch checkpoint.
func TestHeaderLikeAPickle(t *testing.T) {
	whole := file("F32", "[1]", []byte{0, 0, 0x80, 0x3f})
	length := binary.LittleEndian.Uint64(whole)
	header, data := whole[8:8+length], whole[8+length:]
	padded := append(header[:len(header):len(header)], bytes.Repeat([]byte(" "), 640-len(header))...)
	if _, err := weights.Decode(append(append(binary.LittleEndian.AppendUint64(nil, 640), padded...), data...)); err != nil {
		t.Error(err)
	}
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	in := &weights.File{
		Tensors: map[string]*tensors.Tensor{
			"matrix":  tensors.FromFlatDataAndDimensions([]float32{1, 2, 3, 4, 5, float32(math.Inf(1))}, 2, 3),
			"scalar":  tensors.FromScalar(float32(7)),
			"empty":   tensors.FromShape(shapes.Make(dtypes.Float32, 0, 3)),
			"counts":  tensors.FromFlatDataAndDimensions([]int32{-1, 2}, 2),
			"steps":   tensors.FromScalar(int64(1) << 40),
			"state":   tensors.FromFlatDataAndDimensions([]uint64{math.MaxUint64}, 1),
			"bytes":   tensors.FromFlatDataAndDimensions([]uint8{255}, 1),
			"ünïcode": tensors.FromScalar(float32(1)),
		},
		Metadata: map[string]string{"step": "12"},
	}
	if err := weights.Write(path, in); err != nil {
		t.Fatal(err)
	}
	out, err := weights.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Tensors) != len(in.Tensors) || out.Metadata["step"] != "12" {
		t.Fatalf("%d tensors and metadata %v came back", len(out.Tensors), out.Metadata)
	}
	for name, want := range in.Tensors {
		if got := out.Tensors[name]; got == nil || !got.Shape().Equal(want.Shape()) || want.Size() > 0 && !got.Equal(want) {
			t.Errorf("%s came back as %v", name, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":            {nil, "not a safetensors file, nor a PyTorch checkpoint"},
		"a zip archive":      {[]byte("PK\x03\x04 and so on"), "a PyTorch checkpoint that is damaged"},
		"an old checkpoint":  {[]byte{0x80, 2, 0x8a, 0x0a}, "breaks off"},
		"a huge header":      {[]byte{255, 255, 255, 255, 255, 255, 255, 127, '{'}, "not a safetensors file"},
		"a huge tensor":      {file("F32", "[1152921504606846976]", []byte{0, 0, 0, 0}), "not a safetensors file"},
		"beyond the file":    {file("F32", "[2]", []byte{0, 0, 0, 0}), "not a safetensors file"},
		"cut off":            {file("F32", "[2]", make([]byte, 8))[:len(file("F32", "[2]", make([]byte, 8)))-6], `not a whole safetensors file: tensor "t" ends at byte 8 of the data, which end at 2`},
		"a long dtype":       {file(strings.Repeat("F", 1<<16), "[1]", make([]byte, 4)), "FFF"},
		"an unknown type":    {file("F8_E4M3", "[1]", []byte{0}), ""},
		"a type we lack":     {file("I16", "[1]", []byte{0, 0}), "type int16 is not supported"},
		"a size of 2^63":     {file("F32", "[0,9223372036854775808]", nil), "is beyond any tensor"},
		"offsets with holes": {file("F32", "[1]", []byte{0, 0, 0, 0, 9}), "not a safetensors file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.safetensors")
			if err := os.WriteFile(path, c.data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := weights.Read(path)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 500 {
				t.Errorf("%v does not say %q and the file in one line", err, c.want)
			}
		})
	}
}

// TestDevice: a device, which may have no end, is not read.
func TestDevice(t *testing.T) {
	if _, err := weights.Read(os.DevNull); err == nil || !strings.Contains(err.Error(), os.DevNull+" is a device, not a file") {
		t.Errorf("%v does not say that it is a device", err)
	}
}

// TestWriteWholeOrNot: a write that fails leaves nothing, and what was there before.
func TestWriteWholeOrNot(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.safetensors")
	if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := &weights.File{Tensors: map[string]*tensors.Tensor{"c": tensors.FromScalar(complex64(1))}}
	if err := weights.Write(path, bad); err == nil || !strings.Contains(err.Error(), `tensor "c"`) {
		t.Errorf("%v does not name the tensor", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "before" {
		t.Errorf("the file became %q", text)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files are left", len(entries))
	}
	if err := weights.Write(filepath.Join(dir, "gone", "x"), &weights.File{}); err == nil {
		t.Error("a folder that is not there was written to")
	}
}

func FuzzDecode(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.safetensors")
	if err != nil || len(paths) == 0 {
		f.Fatal("no files to begin with", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(file("F32", "[1]", []byte{0, 0, 0x80, 0x3f}))
	f.Add(file("F16", "[2]", []byte{0, 0x3c, 0, 0}))
	f.Add(file("F32", "[0,9223372036854775807]", nil))
	f.Add(file("I64", "[]", make([]byte, 8)))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = weights.Decode(data)
	})
}
