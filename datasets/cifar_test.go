package datasets

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// cifarFileOf returns a file of n images: the fine label of image i is i modulo classes, its first
// label byte, where there are two, 7.
func cifarFileOf(n, labelBytes, classes int) []byte {
	var file []byte
	pixels := counting(n * cifarPixels)
	for i := range n {
		if labelBytes == 2 {
			file = append(file, 7)
		}
		file = append(file, uint8(i%classes))
		file = append(file, pixels[i*cifarPixels:(i+1)*cifarPixels]...)
	}
	return file
}

// tarred returns a gzipped archive of files, names and contents by turns.
func tarred(namesAndContents ...any) []byte {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for pair := range slices.Chunk(namesAndContents, 2) {
		content := pair[1].([]byte)
		w.WriteHeader(&tar.Header{Name: pair[0].(string), Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg})
		w.Write(content)
	}
	w.Close()
	return gzipped(buffer.Bytes())
}

// smallCIFAR returns a source with two training files, of 3 and 2 images, and a test file of 4, as if
// these were the original, with nothing in the places outside of the test; and its archive.
func smallCIFAR(t *testing.T, source cifarSource) (cifarSource, []byte) {
	t.Helper()
	t.Setenv("TOKENFUSE_DATA", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	one, two, test := source.part(3), source.part(2), source.part(4)
	nobody := httptest.NewServer(nil)
	nobody.Close()
	source.url = nobody.URL
	source.files = map[Split][]cifarFile{
		Train: {{"one.bin", 3, sum(one)}, {"two.bin", 2, sum(two)}},
		Test:  {{"test.bin", 4, sum(test)}},
	}
	archive := tarred("set/two.bin", two, "set/readme.html", []byte("<html>"), "set/one.bin", one, "set/test.bin", test)
	source.folder, source.size, source.sha256 = "set", int64(len(archive)), sum(archive)
	return source, archive
}

func (s cifarSource) part(n int) []byte { return cifarFileOf(n, s.labelBytes, len(s.classes)) }

// checkCIFAR wants as many images as the files of those numbers hold.
func checkCIFAR(t *testing.T, got *Images, err error, parts ...int) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var pixels []uint8
	var labels []int32
	for _, n := range parts {
		pixels = append(pixels, counting(n*cifarPixels)...)
		for i := range n {
			labels = append(labels, int32(i%len(got.Classes)))
		}
	}
	if !bytes.Equal(got.Pixels, pixels) || !slices.Equal(got.Labels, labels) {
		t.Errorf("other images: labels %v, want %v", got.Labels, labels)
	}
}

func TestCIFARFromEachPlace(t *testing.T) {
	for name, source := range map[string]cifarSource{"CIFAR-10": cifar10(), "CIFAR-100": cifar100()} {
		t.Run(name, func(t *testing.T) {
			source, archive := smallCIFAR(t, source)
			packed := folder(t, source.archive, archive)
			unpacked := folder(t, "one.bin", source.part(3), "two.bin", source.part(2), "test.bin", source.part(4))
			got, err := source.load(Train, From(packed))
			checkCIFAR(t, got, err, 3, 2)
			if want := fmt.Sprintf("%s train: 5 images, 32x32x3, %d classes", source.name, len(source.classes)); got.String() != want {
				t.Errorf("%s, want %s", got, want)
			}
			got, err = source.load(Test, From(unpacked))
			checkCIFAR(t, got, err, 4)
			parent := t.TempDir()
			if err := os.MkdirAll(filepath.Join(parent, source.name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(unpacked, filepath.Join(parent, source.name, "set")); err != nil {
				t.Fatal(err)
			}
			t.Setenv("TOKENFUSE_DATA", parent)
			got, err = source.load(Train)
			checkCIFAR(t, got, err, 3, 2)

			t.Setenv("TOKENFUSE_DATA", "")
			server := httptest.NewServer(http.FileServer(http.Dir(packed)))
			got, err = source.load(Test, WithMirror(server.URL), WithProgress(io.Discard))
			checkCIFAR(t, got, err, 4)
			server.Close() // the cache has it now
			got, err = source.load(Train, WithMirror(server.URL), WithProgress(io.Discard))
			checkCIFAR(t, got, err, 3, 2)
		})
	}
}

func TestCIFARNowhere(t *testing.T) {
	source, _ := smallCIFAR(t, cifar10())
	_, err := source.load(Test, WithProgress(io.Discard))
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v is not ErrNotFound", err)
	}
	checkError(t, err, "cifar10 test not found", "TOKENFUSE_DATA is not set", os.Getenv("XDG_CACHE_HOME"), source.url, "datasets.From")
	_, err = source.load(Test, From(t.TempDir()))
	checkError(t, err, "no cifar-10-binary.tar.gz in")
	_, err = source.load(Validation)
	checkError(t, err, `cifar10 has no split "validation"`)
}

func TestCIFARRefusesDamage(t *testing.T) {
	source, archive := smallCIFAR(t, cifar10())
	three, two, seven := source.part(3), source.part(2), source.part(7)
	tests := map[string]struct {
		dir   string
		wants []string
	}{
		"one file alone":      {folder(t, "one.bin", three), []string{"one.bin", "without", "two.bin"}},
		"archive cut off":     {folder(t, source.archive, archive[:len(archive)/2]), []string{source.archive, "truncated"}},
		"archive, one bit":    {folder(t, source.archive, flipped(archive, len(archive)/2)), []string{source.archive, "damaged"}},
		"no gzip":             {folder(t, source.archive, three), []string{source.archive, "gzip data corrupted"}},
		"no tar":              {folder(t, source.archive, gzipped(three)), []string{source.archive, "not a gzipped tar archive"}},
		"empty tar":           {folder(t, source.archive, tarred()), []string{source.archive, `lacks "one.bin"`}},
		"archive without two": {folder(t, source.archive, tarred("set/one.bin", three)), []string{`lacks "two.bin"`}},
		"a link in its place": {folder(t, source.archive, linked("set/one.bin")), []string{`lacks "one.bin"`}},
		"file cut off":        {folder(t, "one.bin", three[:len(three)-1], "two.bin", two), []string{"one.bin", "truncated at byte 9218"}},
		"entry cut off":       {folder(t, source.archive, tarred("one.bin", three[:4000], "two.bin", two)), []string{`"one.bin": truncated at byte 4000`}},
		"empty file":          {folder(t, "one.bin", []byte{}, "two.bin", two), []string{"one.bin", "holds no images"}},
		"one bit":             {folder(t, "one.bin", flipped(three, 5000), "two.bin", two), []string{"one.bin", "damaged or another dataset", "SHA-256"}},
		"one bit, in archive": {folder(t, source.archive, tarred("one.bin", three, "two.bin", flipped(two, -1))), []string{source.archive, `"two.bin" in it`}},
		"label too large":     {folder(t, "one.bin", flipped(seven, 0), "two.bin", two), []string{"one.bin", `label 0 is "255", not within 0 and 9`}},
		"a folder, no file":   {makeFolder(t, "one.bin") + "/..", []string{"without"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := source.load(Train, From(test.dir))
			checkError(t, err, test.wants...)
		})
	}
	t.Run("another number, the user's", func(t *testing.T) {
		got, err := source.load(Train, From(folder(t, source.archive, tarred("one.bin", seven, "two.bin", two))))
		checkCIFAR(t, got, err, 7, 2)
	})
}

func linked(name string) []byte {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	w.WriteHeader(&tar.Header{Name: name, Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink})
	w.Close()
	return gzipped(buffer.Bytes())
}

// What the pinned values must be like, so that none was mistyped.
func TestCIFARSources(t *testing.T) {
	for _, source := range []cifarSource{cifar10(), cifar100()} {
		items := map[Split]int{}
		for split, files := range source.files {
			for _, file := range files {
				items[split] += file.items
				if len(file.sha256) != 64 {
					t.Errorf("SHA-256 of %s is %q", file.name, file.sha256)
				}
			}
		}
		if items[Train] != 50000 || items[Test] != 10000 {
			t.Errorf("%s has %v images", source.name, items)
		}
		if !slices.IsSorted(source.classes) || len(slices.Compact(slices.Clone(source.classes))) != map[string]int{"cifar10": 10, "cifar100": 100}[source.name] {
			t.Errorf("classes of %s: %q", source.name, source.classes)
		}
	}
}

// The one test that needs the true files: it runs where they are in $TOKENFUSE_DATA or in the cache.
func TestCIFAR(t *testing.T) {
	nobody := httptest.NewServer(http.NotFoundHandler())
	defer nobody.Close()
	for _, load := range []func(Split, ...Option) (*Images, error){CIFAR10, CIFAR100} {
		train, err := load(Train, WithMirror(nobody.URL), WithProgress(io.Discard))
		if errors.Is(err, ErrNotFound) {
			t.Skip("CIFAR is not on this machine: put the archives of the binary version in $TOKENFUSE_DATA")
		}
		if err != nil {
			t.Fatal(err)
		}
		mean, std := train.Statistics()
		for c := range mean {
			if diff := max(abs(mean[c]-float64(train.Mean[c])), abs(std[c]-float64(train.Std[c]))); diff > 6e-5 {
				t.Errorf("%s: mean %v, std %v, normalised with %v and %v", train, mean, std, train.Mean, train.Std)
			}
		}
		test, err := load(Test, WithMirror(nobody.URL), WithProgress(io.Discard))
		if err != nil || test.Len() != 10000 || train.Len() != 50000 {
			t.Errorf("%v, %v, %v", train, test, err)
		}
	}
}

func abs(x float64) float64 { return max(x, -x) }

// TestBombs: a small file that unpacks to hundreds of megabytes is refused, and little memory taken for
// it.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("packs 300 MB of zeros")
	}
	const images = 100_000
	zeros := make([]byte, images*(1+cifarPixels))
	source := cifar10()
	archive := tarred("set/test_batch.bin", zeros)
	holes := sparse("set/test_batch.bin", int64(len(zeros)))
	idx := gzipped(encodeIDX(zeros[:images*28*28], images, 28, 28))
	for name, read := range map[string]func() error{
		"a hole": func() error {
			_, err := source.unpack(bytes.NewReader(holes), int64(len(holes)), source.files[Test])
			return err
		},
		"CIFAR": func() error {
			_, err := source.unpack(bytes.NewReader(archive), int64(len(archive)), source.files[Test])
			return err
		},
		"IDX": func() error {
			_, err := decodeIDX(bytes.NewReader(idx), int64(len(idx)), 3)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := read()
			runtime.ReadMemStats(&after)
			checkError(t, err)
			if err == nil {
				t.Error("it was read")
			}
			// Slices that grow are counted each time: some times what is unpacked at most.
			if taken := after.TotalAlloc - before.TotalAlloc; taken > 300<<20 {
				t.Errorf("%d MiB were taken", taken>>20)
			}
		})
	}
}

// sparse returns a gzipped archive of a file that is one hole of so many bytes, of which the archive stores none.
func sparse(name string, size int64) []byte {
	records := ""
	for _, record := range []string{"GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.numblocks=1",
		fmt.Sprintf("GNU.sparse.map=%d,0", size), fmt.Sprintf("GNU.sparse.size=%d", size)} {
		records += fmt.Sprintf("%d %s\n", len(record)+4, record) // with two digits of its length
	}
	block := func(name string, kind byte, size int) []byte {
		header := make([]byte, 512)
		copy(header, name)
		copy(header[100:], "0000644\x000000000\x000000000\x00"+fmt.Sprintf("%011o\x00", size)+"00000000000\x00        "+string(kind))
		copy(header[257:], "ustar\x0000")
		sum := 0
		for _, b := range header {
			sum += int(b)
		}
		copy(header[148:], fmt.Sprintf("%06o\x00 ", sum))
		return header
	}
	extended := append([]byte(records), make([]byte, 512-len(records))...)
	return gzipped(slices.Concat(block("pax", tar.TypeXHeader, len(records)), extended, block(name, tar.TypeReg, 0), make([]byte, 1024)))
}

func FuzzReadCIFAR(f *testing.F) {
	f.Add(cifarFileOf(2, 1, 10), false)
	f.Add(cifarFileOf(2, 2, 100), true)
	f.Add([]byte{}, false)
	f.Add(cifarFileOf(2, 1, 10)[:3073], false)
	f.Add(flipped(cifarFileOf(1, 1, 10), 0), false)
	f.Fuzz(func(t *testing.T, file []byte, hundred bool) {
		labelBytes, classes := 1, 10
		if hundred {
			labelBytes, classes = 2, 100
		}
		got, err := readCIFAR(bytes.NewReader(file), labelBytes, classes)
		if err != nil {
			checkError(t, err)
			return
		}
		// What is read is the file, nothing added and nothing lost.
		n := len(got.labels)
		if len(file) != n*(labelBytes+cifarPixels) || len(got.pixels) != n*cifarPixels || got.sha256 != sum(file) {
			t.Fatalf("%d images in %d bytes of %d", n, len(got.pixels), len(file))
		}
		for i, label := range got.labels {
			record := file[i*(labelBytes+cifarPixels):][:labelBytes+cifarPixels]
			if int32(record[labelBytes-1]) != label || int(label) >= classes || !bytes.Equal(record[labelBytes:], got.pixels[i*cifarPixels:][:cifarPixels]) {
				t.Fatalf("image %d differs", i)
			}
		}
	})
}

func FuzzUnpackCIFAR(f *testing.F) {
	f.Add(tarred("data_batch_1.bin", cifarFileOf(1, 1, 10)))
	f.Add(tarred("test_batch.bin", cifarFileOf(1, 1, 10)))
	f.Add(linked("test_batch.bin"))
	f.Add(sparse("test_batch.bin", 2*(1+cifarPixels)))
	f.Add(gzipped([]byte("no tar")))
	source := cifar10()
	f.Fuzz(func(t *testing.T, archive []byte) {
		all, err := source.unpack(bytes.NewReader(archive), int64(len(archive)), source.files[Test])
		if err != nil {
			checkError(t, err)
		} else if len(all) != 1 || len(all[0].labels) == 0 {
			t.Fatal("no images and no error")
		}
	})
}
