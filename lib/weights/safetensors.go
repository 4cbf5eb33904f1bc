package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/nlpodyssey/safetensors"

	"tokenfuse/lib/whole"
)

// stored are the names of safetensors' types in elements.
var stored = map[safetensors.DType]string{
	safetensors.F32: "float32", safetensors.F64: "float64", safetensors.F16: "float16", safetensors.BF16: "bfloat16",
	safetensors.I64: "int64", safetensors.U64: "uint64", safetensors.I32: "int32", safetensors.U32: "uint32",
	safetensors.I16: "int16", safetensors.U16: "uint16", safetensors.I8: "int8", safetensors.U8: "uint8",
	safetensors.BOOL: "bool",
}

// decodeSafetensors reads the bytes of a safetensors file.
func decodeSafetensors(data []byte) (*File, error) {
	if err := cutOff(data); err != nil {
		return nil, err
	}
	parsed, err := safetensors.Deserialize(data)
	if err != nil {
		// The error may quote all of a header.
		return nil, fmt.Errorf("not a safetensors file: %.300s", err)
	}
	_, header, err := safetensors.ReadMetadata(data)
	if err != nil {
		return nil, fmt.Errorf("not a safetensors file: %w", err)
	}
	f := &File{Tensors: map[string]*tensors.Tensor{}, Metadata: header.Metadata()}
	for _, named := range parsed.Tensors() {
		dims := make([]int, len(named.TensorView.Shape()))
		for i, d := range named.TensorView.Shape() {
			if d > math.MaxInt { // beside a 0
				return nil, fmt.Errorf("tensor %q: size %v is beyond any tensor", named.Name, named.TensorView.Shape())
			}
			dims[i] = int(d)
		}
		t, err := tensorOf(stored[named.TensorView.DType()], named.TensorView.Data(), dims)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", named.Name, err)
		}
		f.Tensors[named.Name] = t
	}
	return f, nil
}

// cutOff tells where a file ends that ends too early, which becomes of a download that broke off. Whatever else is
// wrong with it, Deserialize finds.
func cutOff(data []byte) error {
	var header map[string]struct {
		Offsets [2]uint64 `json:"data_offsets"`
	}
	begin := 8 + binary.LittleEndian.Uint64(data)
	if json.Unmarshal(data[8:begin], &header) != nil {
		return nil
	}
	last, end := "", uint64(0)
	for name, tensor := range header {
		if tensor.Offsets[1] > end {
			last, end = name, tensor.Offsets[1]
		}
	}
	if have := uint64(len(data)) - begin; end > have {
		return fmt.Errorf("not a whole safetensors file: tensor \"%s\" ends at byte %d of the data, which end at %d", printable(last), end, have)
	}
	return nil
}

// Write writes tensors of the types that Read returns to a safetensors file, whole or not at all.
func Write(path string, f *File) error {
	views, err := viewsOf(f)
	if err != nil {
		return err
	}
	err = whole.Write(path, 0o644, func(w io.Writer) error { return safetensors.SerializeToWriter(views, f.Metadata, w) })
	if err != nil {
		return fmt.Errorf("weights: %s: %w", path, err)
	}
	return nil
}

// MarshalBinary returns the bytes of the file that Write writes; the same tensors give the same bytes.
func (f *File) MarshalBinary() ([]byte, error) {
	views, err := viewsOf(f)
	if err != nil {
		return nil, err
	}
	data, err := safetensors.Serialize(views, f.Metadata)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	return data, nil
}

// UnmarshalBinary takes the content of a safetensors file.
func (f *File) UnmarshalBinary(data []byte) error {
	if !likeSafetensors(data) {
		return errors.New("weights: not a safetensors file")
	}
	read, err := decodeSafetensors(data)
	if err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	*f = *read
	return nil
}

func viewsOf(f *File) (map[string]written, error) {
	views := map[string]written{}
	for name, t := range f.Tensors {
		v, err := writtenOf(t)
		if err != nil {
			return nil, fmt.Errorf("weights: tensor %q: %w", name, err)
		}
		views[name] = v
	}
	return views, nil
}

// written is a tensor as the safetensors package writes it; scalars have an empty shape.
type written struct {
	dtype safetensors.DType
	shape []uint64
	data  []byte
}

func (v written) DType() safetensors.DType { return v.dtype }
func (v written) Shape() []uint64          { return v.shape }
func (v written) Data() []byte             { return v.data }
func (v written) DataLen() uint64          { return uint64(len(v.data)) }

func writtenOf(t *tensors.Tensor) (written, error) {
	v := written{shape: []uint64{}}
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
