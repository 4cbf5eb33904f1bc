package weights_test

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/weights"
)

// TestCheckpoints: what torch.save wrote (testdata/README.md) arrives as the tensors that torch made.
func TestCheckpoints(t *testing.T) {
	for name, want := range map[string]string{
		"types":                  "types",
		"types-legacy":           "types",
		"views":                  "views",
		"views-legacy":           "views",
		"views-protocol5":        "views",
		"views-legacy-protocol4": "views",
		"views-unchecked":        "views",
		"training":               "net", // under model, beside model_ema, optimizer and args
		"training-legacy":        "net",
		"parallel":               "net", // under state_dict, each name with module., beside a string model
		"ema":                    "net", // under state_dict_ema alone
	} {
		t.Run(name, func(t *testing.T) {
			got, err := weights.Read(filepath.Join("testdata", name+".pth"))
			if err != nil {
				t.Fatal(err)
			}
			expected, err := weights.Read(filepath.Join("testdata", want+".safetensors"))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Tensors) != len(expected.Tensors) {
				t.Errorf("%d tensors, want %d", len(got.Tensors), len(expected.Tensors))
			}
			for name, w := range expected.Tensors {
				if g := got.Tensors[name]; g == nil || !g.Shape().Equal(w.Shape()) || w.Size() > 0 && !g.Equal(w) {
					t.Errorf("%s is %v, want %v", name, g, w)
				}
			}
		})
	}
}

// TestPreferredLevel: training.pth has the network plus 1 under model_ema.
func TestPreferredLevel(t *testing.T) {
	for want, prefer := range map[float32][]string{0: nil, 1: {"model_ema"}} {
		f, err := weights.Read("testdata/training.pth", append([]string{"not there", "args"}, prefer...)...)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := weights.Read("testdata/net.safetensors")
		if err != nil {
			t.Fatal(err)
		}
		got, base := tensors.MustCopyFlatData[float32](f.Tensors["0.bias"]), tensors.MustCopyFlatData[float32](plain.Tensors["0.bias"])
		if got[0] != base[0]+want {
			t.Errorf("prefer %v: %v, want %v", prefer, got[0], base[0]+want)
		}
	}
}

func TestRefusedCheckpoints(t *testing.T) {
	for name, want := range map[string]string{
		"refused-system":        "refuses posix.system: a checkpoint may hold tensors only",
		"refused-system-legacy": "refuses posix.system: a checkpoint may hold tensors only",
		"refused-pickle":        "refuses posix.system: a checkpoint may hold tensors only",
		"refused-module":        "refuses torch.nn.modules.container.Sequential",
		"refused-float8":        `tensor "w": type float8_e4m3fn is not supported`,
		"refused-torchscript":   "a TorchScript archive: save the state dict",
		"refused-list":          "a checkpoint without names: save the state dict",
		"refused-empty":         "a checkpoint without tensors: its keys are epoch, lr",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name+".pth")
			_, err := weights.Read(path)
			if err == nil || !strings.HasPrefix(err.Error(), "weights: "+path+": "+want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want one line that says %q of the file", err, want)
			}
		})
	}
}

// TestDamaged: a checkpoint cut off anywhere is an error; with a byte changed anywhere it is one or
// reads as something, and where the byte is in a record, its checksum says so.
func TestDamaged(t *testing.T) {
	for _, name := range []string{"views", "views-legacy"} {
		data, err := os.ReadFile(filepath.Join("testdata", name+".pth"))
		if err != nil {
			t.Fatal(err)
		}
		for n := range data {
			if _, err := weights.Decode(data[:n]); err == nil {
				t.Errorf("%s cut off after %d of %d bytes is no error", name, n, len(data))
			}
			changed := bytes.Clone(data)
			changed[n] ^= 0xff
			_, _ = weights.Decode(changed)
		}
	}
	data, err := os.ReadFile("testdata/views.pth")
	if err != nil {
		t.Fatal(err)
	}
	data[bytes.Index(data, []byte("transposed"))] ^= 1
	if _, err := weights.Decode(data); err == nil || !strings.Contains(err.Error(), "its CRC-32 differs") {
		t.Errorf("%v does not say that the record is damaged", err)
	}
}

func FuzzCheckpoint(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.pth")
	if err != nil || len(paths) == 0 {
		f.Fatal("no checkpoints to begin with", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = weights.Decode(data)
	})
}

// FuzzPickle changes the pickle alone, within an archive whose checksums are right.
func FuzzPickle(f *testing.F) {
	record := []byte("0123456789abcdef")
	paths, err := filepath.Glob("testdata/*.pth")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		archive, err := zip.OpenReader(path)
		if err != nil {
			continue // of the format before
		}
		for _, file := range archive.File {
			if r, err := file.Open(); err == nil && strings.HasSuffix(file.Name, "/data.pkl") {
				if pickle, err := io.ReadAll(r); err == nil {
					f.Add(pickle)
				}
			}
		}
		archive.Close()
	}
	f.Add([]byte(state(tensorOf("float", 4, 0, []int64{2, 2}, []int64{1, 2}))))
	f.Fuzz(func(t *testing.T, pickle []byte) {
		_, _ = weights.Decode(zipped(map[string][]byte{"data.pkl": pickle, "data/0": record, "data/1": record}))
	})
}

// BenchmarkCheckpoint reads a checkpoint of the size of DeiT-S.
func BenchmarkCheckpoint(b *testing.B) {
	const count = 22_000_000
	data := zipped(map[string][]byte{
		"data.pkl": []byte(state(tensorOf("float", count, 0, []int64{count}, []int64{1}))),
		"data/0":   make([]byte, 4*count),
	})
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := weights.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
