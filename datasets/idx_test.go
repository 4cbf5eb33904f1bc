package datasets

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// encodeIDX returns an IDX file of unsigned bytes.
func encodeIDX(data []uint8, dims ...int) []byte {
	file := []byte{0, 0, 8, byte(len(dims))}
	for _, dim := range dims {
		file = binary.BigEndian.AppendUint32(file, uint32(dim))
	}
	return append(file, data...)
}

func gzipped(content []byte) []byte {
	var buffer bytes.Buffer
	w := gzip.NewWriter(&buffer)
	w.Write(content)
	w.Close()
	return buffer.Bytes()
}

// counting returns n bytes that hardly compress.
func counting(n int) []uint8 {
	data := make([]uint8, n)
	random := newStream(1)
	for i := range data {
		data[i] = uint8(random.below(256))
	}
	return data
}

func flipped(file []byte, i int) []byte {
	file = slices.Clone(file)
	if i < 0 {
		i += len(file)
	}
	file[i] ^= 0xff
	return file
}

func TestReadIDX(t *testing.T) {
	data := counting(2 * 3 * 4)
	for name, file := range map[string][]byte{
		"raw":     encodeIDX(data, 2, 3, 4),
		"gzipped": gzipped(encodeIDX(data, 2, 3, 4)),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "images")
			if err := os.WriteFile(path, file, 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := readIDX(path, 3)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]int{2, 3, 4}, got.dims); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(data, got.data); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadIDXRefuses(t *testing.T) {
	data := counting(1000)
	whole := encodeIDX(data, 10, 10, 10)
	zipped := gzipped(whole)
	tests := map[string]struct {
		file []byte
		want string
	}{
		"empty":                      {nil, "truncated at byte 0"},
		"header cut off":             {whole[:9], "truncated at byte 9"},
		"content cut off":            {whole[:500], "its header promises 1016 bytes, more than its 500 stored"},
		"one byte short":             {whole[:len(whole)-1], "promises 1016 bytes"},
		"one byte too many":          {append(slices.Clone(whole), 7), "goes on after the 1016 bytes"},
		"labels for images":          {encodeIDX(data, 1000), `begins with "00000801", not "00000803"`},
		"floats":                     {flipped(whole, 2), `begins with "0000f703"`},
		"not an IDX file":            {[]byte("<html>not found, but politely</html>"), `begins with "3c68746d"`},
		"no items":                   {encodeIDX(nil, 0, 28, 28), `dimension 0 is "0"`},
		"dimensions that overflow":   {encodeIDX(data, 1<<32-1, 1<<32-1, 1<<32-1), "dimensions overflow"},
		"far more than the file has": {encodeIDX(data, 1<<20, 1<<10, 1<<10), "more than its 1016 stored bytes can hold"},
		"far more than gzip can":     {gzipped(encodeIDX(data, 1<<20, 1<<10, 1<<10)), "can hold"},
		"gzip: header cut off":       {zipped[:5], "truncated"},
		"gzip: content cut off":      {zipped[:600], "truncated at byte"},
		"gzip: checksum cut off":     {zipped[:len(zipped)-3], "truncated at byte 1016"},
		"gzip: a bit flipped":        {flipped(zipped, 300), "gzip data corrupted"},
		"gzip: wrong checksum":       {flipped(zipped, -8), "gzip data corrupted at about byte 1016"},
		"gzip: bytes after the end":  {append(slices.Clone(zipped), "more"...), "damaged"},
		"gzip: content too short":    {gzipped(whole[:900]), "truncated at byte 900"},
		"gzip: content too long":     {gzipped(append(slices.Clone(whole), 0)), "goes on after the 1016 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "images-idx3-ubyte")
			if err := os.WriteFile(path, test.file, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := readIDX(path, 3)
			checkError(t, err, path, test.want)
		})
	}
}

// checkError wants an error of one line that holds the given texts.
func checkError(t *testing.T, err error, wants ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error of more than one line: %v", err)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not hold %q", err, want)
		}
	}
}

func FuzzDecodeIDX(f *testing.F) {
	whole := encodeIDX(counting(24), 2, 3, 4)
	for _, seed := range [][]byte{nil, whole, whole[:20], append(slices.Clone(whole), 0),
		gzipped(whole), gzipped(whole)[:20], encodeIDX(nil, 1<<31, 1<<31, 4), encodeIDX(nil, 0, 0, 0)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := decodeIDX(bytes.NewReader(file), int64(len(file)), 3)
		if err != nil {
			return
		}
		if want := got.dims[0] * got.dims[1] * got.dims[2]; len(got.data) != want {
			t.Fatalf("%d bytes of data for dimensions %v", len(got.data), got.dims)
		}
		// What was read survives writing.
		again := encodeIDX(got.data, got.dims...)
		if _, err := decodeIDX(bytes.NewReader(again), int64(len(again)), 3); err != nil {
			t.Fatal(err)
		}
	})
}
