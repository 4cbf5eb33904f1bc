// Package weights reads and writes tensors as files: safetensors in and out. Names are kept as they
// are; models use timm's.
//
// Format: https://huggingface.co/docs/safetensors. Floating-point tensors arrive as float32, whatever
// precision they were stored in.
package weights

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/nlpodyssey/safetensors"
)

// File is the content of a safetensors file.
type File struct {
	Tensors  map[string]*tensors.Tensor
	Metadata map[string]string
}

// Read reads a safetensors file. Floats of 16, 32 and 64 bits become float32; integers of 32 and 64
// bits keep their type, bytes and booleans become uint8.
func Read(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	f, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("weights: %s: %w", path, err)
	}
	return f, nil
}

// Decode reads the bytes of a safetensors file; see Read.
func Decode(data []byte) (*File, error) {
	parsed, err := safetensors.Deserialize(data)
	if err != nil {
		// Asked only now: the first bytes of a safetensors file are a length, which may look the same.
		if bytes.HasPrefix(data, []byte("PK\x03\x04")) || bytes.HasPrefix(data, []byte{0x80, 2}) {
			return nil, fmt.Errorf("not a safetensors file but a PyTorch checkpoint: save it again with safetensors.torch.save_file")
		}
		return nil, fmt.Errorf("not a safetensors file: %w", err)
	}
	_, header, err := safetensors.ReadMetadata(data)
	if err != nil {
		return nil, fmt.Errorf("not a safetensors file: %w", err)
	}
	f := &File{Tensors: map[string]*tensors.Tensor{}, Metadata: header.Metadata()}
	for _, named := range parsed.Tensors() {
		t, err := tensorOf(named.TensorView)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", named.Name, err)
		}
		f.Tensors[named.Name] = t
	}
	return f, nil
}

func tensorOf(view safetensors.TensorView) (*tensors.Tensor, error) {
	dims := make([]int, len(view.Shape()))
	for i, d := range view.Shape() {
		dims[i] = int(d)
	}
	raw := view.Data()
	switch view.DType() {
	case safetensors.F32:
		return decode(raw, 4, dims, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }), nil
	case safetensors.F64:
		return decode(raw, 8, dims, func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) }), nil
	case safetensors.BF16:
		return decode(raw, 2, dims, func(b []byte) float32 {
			return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
		}), nil
	case safetensors.F16:
		return decode(raw, 2, dims, func(b []byte) float32 { return half(binary.LittleEndian.Uint16(b)) }), nil
	case safetensors.I64:
		return decode(raw, 8, dims, func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) }), nil
	case safetensors.U64:
		return decode(raw, 8, dims, binary.LittleEndian.Uint64), nil
	case safetensors.I32:
		return decode(raw, 4, dims, func(b []byte) int32 { return int32(binary.LittleEndian.Uint32(b)) }), nil
	case safetensors.U8, safetensors.BOOL:
		return decode(raw, 1, dims, func(b []byte) uint8 { return b[0] }), nil
	}
	return nil, fmt.Errorf("type %s is not supported: use float32, float16 or bfloat16", view.DType())
}

func decode[T float32 | int32 | int64 | uint64 | uint8](raw []byte, width int, dims []int, one func([]byte) T) *tensors.Tensor {
	data := make([]T, len(raw)/width)
	for i := range data {
		data[i] = one(raw[i*width:])
	}
	return tensors.FromFlatDataAndDimensions(data, dims...)
}

// half widens an IEEE 754 binary16.
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch exponent {
	case 0:
		return math.Float32frombits(sign) + float32(fraction)*float32(math.Pow(2, -24))*signOf(sign)
	case 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

func signOf(bit uint32) float32 {
	if bit != 0 {
		return -1
	}
	return 1
}

// Write writes tensors of the types that Read returns to a safetensors file, whole or not at all.
func Write(path string, f *File) (err error) {
	views := map[string]view{}
	for name, t := range f.Tensors {
		v, err := viewOf(t)
		if err != nil {
			return fmt.Errorf("weights: tensor %q: %w", name, err)
		}
		views[name] = v
	}
	return writeFile(path, func(w io.Writer) error { return safetensors.SerializeToWriter(views, f.Metadata, w) })
}

// writeFile writes aside and renames, so that the file is whole or absent.
func writeFile(path string, write func(io.Writer) error) (err error) {
	aside, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	defer func() {
		if err != nil {
			aside.Close()
			os.Remove(aside.Name())
			err = fmt.Errorf("weights: %s: %w", path, err)
		}
	}()
	if err := write(aside); err != nil {
		return err
	}
	if err := aside.Chmod(0o644); err != nil {
		return err
	}
	if err := aside.Sync(); err != nil {
		return err
	}
	if err := aside.Close(); err != nil {
		return err
	}
	return os.Rename(aside.Name(), path)
}

// view is a tensor as the safetensors package writes it; scalars have an empty shape.
type view struct {
	dtype safetensors.DType
	shape []uint64
	data  []byte
}

func (v view) DType() safetensors.DType { return v.dtype }
func (v view) Shape() []uint64          { return v.shape }
func (v view) Data() []byte             { return v.data }
func (v view) DataLen() uint64          { return uint64(len(v.data)) }

func viewOf(t *tensors.Tensor) (view, error) {
	v := view{shape: []uint64{}}
	for _, d := range t.Shape().Dimensions {
		v.shape = append(v.shape, uint64(d))
	}
	switch t.DType() {
	case dtypes.Float32:
		v.dtype = safetensors.F32
	case dtypes.Int32:
		v.dtype = safetensors.I32
	case dtypes.Int64:
		v.dtype = safetensors.I64
	case dtypes.Uint64:
		v.dtype = safetensors.U64
	case dtypes.Uint8:
		v.dtype = safetensors.U8
	default:
		return v, fmt.Errorf("type %s cannot be written: convert it to float32 or an integer of 32 or 64 bits", t.DType())
	}
	err := t.ConstBytes(func(data []byte) { v.data = bytes.Clone(data) })
	return v, err
}
