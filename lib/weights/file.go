// Package weights reads and writes tensors as files: safetensors and PyTorch checkpoints in,
// safetensors out. Names are kept as they are; models use timm's.
//
// Formats: https://huggingface.co/docs/safetensors, and torch.save's, the zip archive of torch 1.6 and
// later and the stream of pickles before it. Floating-point tensors arrive as float32, whatever
// precision they were stored in.
package weights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/inputs"
)

// File is the content of a file of weights.
type File struct {
	Tensors map[string]*tensors.Tensor
	// Metadata are the strings beside the tensors of a safetensors file; a checkpoint has none.
	Metadata map[string]string
}

// Read reads a safetensors file or a PyTorch checkpoint (.pth, .pt, .bin), known apart by their
// content. Floats of 16, 32 and 64 bits become float32; integers of 32 and 64 bits keep their type,
// bytes and booleans become uint8.
//
// Of a checkpoint the tensors of its state dict are taken: the dict under one of the preferred levels,
// else under `model`, `state_dict`, `state_dict_ema` or `model_ema`, in this order and where it holds
// tensors, else the checkpoint itself. What else is there (optimizer, args, epoch) is ignored. When all names begin with
// `module.`, as DataParallel saves them, they lose it. Tensors that share storage, or are views with
// strides, arrive as plain copies.
//
// Reading a checkpoint runs nothing: what is no tensor, no plain value and no argparse.Namespace is
// refused by its name. It takes memory for the file, its tensors and little more, whatever the file
// claims.
func Read(path string, prefer ...string) (*File, error) {
	// A device would be read until the memory is full.
	if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeDevice != 0 {
		return nil, fmt.Errorf("weights: %s is a device, not a file", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	f, err := Decode(data, prefer...)
	if err != nil {
		return nil, fmt.Errorf("weights: %s: %w", path, err)
	}
	inputs.NoteContent(inputs.Weights, filepath.Base(path), data)
	return f, nil
}

// Decode reads the bytes of a file; see Read.
func Decode(data []byte, prefer ...string) (*File, error) {
	switch {
	case likeSafetensors(data):
		return decodeSafetensors(data)
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return decodeArchive(data, prefer)
	case len(data) > 1 && data[0] == opProto && 2 <= data[1] && data[1] <= 5:
		return decodeStream(data, prefer)
	}
	return nil, errors.New("not a safetensors file, nor a PyTorch checkpoint")
}

// likeSafetensors reports whether a file begins as safetensors do, with the length of a JSON header
// that fits into it. Asked first: that length may look like the first bytes of a checkpoint, but no
// checkpoint has a brace in this place.
func likeSafetensors(data []byte) bool {
	return len(data) > 8 && data[8] == '{' && binary.LittleEndian.Uint64(data) <= uint64(len(data)-8)
}
