package datasets

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const testImages, testLabels = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"

func sum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

// small returns Fashion-MNIST as if it had n test images, of these contents, with nothing in the places
// outside of the test: no Debian package, an empty cache, an address where nobody answers.
func small(t *testing.T, n int) (source idxSource, images, labels []byte) {
	t.Helper()
	t.Setenv("TOKENFUSE_DATA", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	classes := make([]uint8, n)
	for i := range classes {
		classes[i] = uint8(i % 10)
	}
	images, labels = encodeIDX(counting(n*28*28), n, 28, 28), encodeIDX(classes, n)
	source = fashionMNIST()
	source.debian = filepath.Join(t.TempDir(), "none")
	nobody := httptest.NewServer(nil)
	nobody.Close()
	source.url = nobody.URL
	source.files[Test] = [2]idxFile{
		{testImages, n, sum(images), int64(len(gzipped(images))), sum(gzipped(images))},
		{testLabels, n, sum(labels), int64(len(gzipped(labels))), sum(gzipped(labels))},
	}
	return source, images, labels
}

// folder returns a new folder with the given files, two arguments each.
func folder(t *testing.T, namesAndContents ...any) string {
	t.Helper()
	dir := t.TempDir()
	for pair := range slices.Chunk(namesAndContents, 2) {
		if err := os.WriteFile(filepath.Join(dir, pair[0].(string)), pair[1].([]byte), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func checkSmall(t *testing.T, got *Images, err error, images, labels []byte) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Pixels, images[16:]) || got.Len() != len(labels)-8 {
		t.Fatal("other images")
	}
	for i := range got.Len() {
		if got.Label(i) != int(labels[8+i]) {
			t.Fatalf("label %d is %d", i, got.Label(i))
		}
	}
}

func TestLoadFromEachPlace(t *testing.T) {
	source, images, labels := small(t, 12)
	_, wrongImages, _ := small(t, 13)
	raw := folder(t, testImages, images, testLabels, labels)
	zipped := folder(t, testImages+".gz", gzipped(images), testLabels+".gz", gzipped(labels))
	parent := t.TempDir()
	if err := os.Rename(folder(t, testImages, images, testLabels, labels), filepath.Join(parent, "fashion-mnist")); err != nil {
		t.Fatal(err)
	}

	t.Run("From, raw", func(t *testing.T) {
		got, err := source.load(Test, From(raw))
		checkSmall(t, got, err, images, labels)
	})
	t.Run("From, gzipped, before TOKENFUSE_DATA", func(t *testing.T) {
		t.Setenv("TOKENFUSE_DATA", folder(t, testImages, wrongImages))
		got, err := source.load(Test, From(zipped))
		checkSmall(t, got, err, images, labels)
	})
	t.Run("TOKENFUSE_DATA, before Debian", func(t *testing.T) {
		source := source
		source.debian = folder(t, testImages, wrongImages)
		t.Setenv("TOKENFUSE_DATA", raw)
		got, err := source.load(Test)
		checkSmall(t, got, err, images, labels)
	})
	t.Run("a folder of TOKENFUSE_DATA", func(t *testing.T) {
		t.Setenv("TOKENFUSE_DATA", parent)
		got, err := source.load(Test)
		checkSmall(t, got, err, images, labels)
	})
	t.Run("Debian, TOKENFUSE_DATA having none", func(t *testing.T) {
		source := source
		source.debian = zipped
		t.Setenv("TOKENFUSE_DATA", t.TempDir())
		got, err := source.load(Test)
		checkSmall(t, got, err, images, labels)
	})
	t.Run("download, then cache", func(t *testing.T) {
		source := source
		server := httptest.NewServer(http.FileServer(http.Dir(zipped)))
		source.url = server.URL
		var out bytes.Buffer
		got, err := source.load(Test, WithProgress(&out))
		checkSmall(t, got, err, images, labels)
		server.Close()
		if out.Len() == 0 {
			t.Error("no progress shown")
		}
		out.Reset()
		got, err = source.load(Test, WithProgress(&out))
		checkSmall(t, got, err, images, labels)
		if out.Len() != 0 {
			t.Errorf("progress without a download: %s", &out)
		}
	})
}

func TestLoadFromMirror(t *testing.T) {
	source, images, labels := small(t, 12)
	dir := folder(t, testImages+".gz", gzipped(images), testLabels+".gz", gzipped(labels))
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	got, err := source.load(Test, WithMirror(server.URL+"/"), WithProgress(io.Discard))
	checkSmall(t, got, err, images, labels)
}

func TestLoadNowhere(t *testing.T) {
	source, _, _ := small(t, 12)
	_, err := source.load(Test, WithProgress(io.Discard))
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v is not ErrNotFound", err)
	}
	checkError(t, err, "fashion-mnist test not found", "TOKENFUSE_DATA is not set", source.debian,
		os.Getenv("XDG_CACHE_HOME"), source.url, "apt-get install dataset-fashion-mnist", "datasets.From")

	empty := t.TempDir()
	_, err = source.load(Test, From(empty))
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v is not ErrNotFound", err)
	}
	checkError(t, err, empty, testImages)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source.load(Test, WithContext(ctx), WithProgress(io.Discard)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	_, err = source.load("tset")
	checkError(t, err, `no split "tset"`, `"train"`, `"test"`)
}

func TestLoadRefusesDamage(t *testing.T) {
	source, images, labels := small(t, 12)
	_, fewerImages, fewerLabels := small(t, 7)
	badLabels := flipped(fewerLabels, -1)
	tests := map[string]struct {
		dir   string
		wants []string
	}{
		"images alone":      {folder(t, testImages, images), []string{testImages, "without", testLabels}},
		"labels alone":      {folder(t, testLabels+".gz", gzipped(labels)), []string{testLabels, "without", testImages}},
		"images cut off":    {folder(t, testImages+".gz", gzipped(images)[:2000], testLabels, labels), []string{testImages + ".gz", "truncated at byte"}},
		"labels cut off":    {folder(t, testImages, images, testLabels, labels[:12]), []string{testLabels, "promises 20 bytes"}},
		"images one bit":    {folder(t, testImages, flipped(images, 900), testLabels, labels), []string{testImages, "damaged or another dataset", "SHA-256"}},
		"labels one bit":    {folder(t, testImages, images, testLabels, flipped(labels, 9)), []string{testLabels, "damaged or another dataset"}},
		"numbers differ":    {folder(t, testImages, fewerImages, testLabels, labels), []string{"has 7 images", "12 labels"}},
		"label too large":   {folder(t, testImages, fewerImages, testLabels, badLabels), []string{testLabels, `label 6 is "249", not within 0 and 9`}},
		"images of 32x28":   {folder(t, testImages, encodeIDX(counting(7*32*28), 7, 32, 28), testLabels, fewerLabels), []string{testImages, `"32x28", not 28x28`}},
		"swapped":           {folder(t, testImages, labels, testLabels, images), []string{testImages, "00000801"}},
		"a folder, no file": {filepath.Dir(makeFolder(t, testImages)), []string{testImages, "without"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := source.load(Test, From(test.dir))
			checkError(t, err, test.wants...)
		})
	}
	t.Run("fewer from the user", func(t *testing.T) {
		got, err := source.load(Test, From(folder(t, testImages, fewerImages, testLabels, fewerLabels)))
		checkSmall(t, got, err, fewerImages, fewerLabels)
	})
	t.Run("fewer from Debian", func(t *testing.T) {
		source := source
		source.debian = folder(t, testImages, fewerImages, testLabels, fewerLabels)
		_, err := source.load(Test)
		checkError(t, err, source.debian, "damaged or another dataset")
	})
}

func makeFolder(t *testing.T, name string) string {
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The one test that needs the true files: it runs where they are found without a download, that is in
// $TOKENFUSE_DATA, from the Debian package dataset-fashion-mnist (CI installs it) or in the cache.
func TestFashionMNIST(t *testing.T) {
	nobody := httptest.NewServer(http.NotFoundHandler())
	defer nobody.Close()
	local := []Option{WithMirror(nobody.URL), WithProgress(io.Discard)}
	train, err := FashionMNIST(Train, local...)
	if errors.Is(err, ErrNotFound) {
		t.Skip("Fashion-MNIST is not on this machine: apt-get install dataset-fashion-mnist")
	}
	if err != nil {
		t.Fatal(err)
	}
	test, err := FashionMNIST(Test, local...)
	if err != nil {
		t.Fatal(err)
	}
	for data, want := range map[*Images]string{
		train: "fashion-mnist train: 60000 images, 28x28x1, 10 classes cf9eacf877639757597af45e006f02fe446b61f72b6080eead82f39b98e0960b",
		test:  "fashion-mnist test: 10000 images, 28x28x1, 10 classes 664bda0b4ef8d50922bfc2ce43d37677887bf97067e7dbb9045f5a913692919f",
	} {
		if got := fmt.Sprint(data, " ", data.SHA256()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		counts := make([]int, 10)
		for _, label := range data.Labels {
			counts[label]++
		}
		for class, count := range counts {
			if count != data.Len()/10 {
				t.Errorf("%d images of class %d", count, class)
			}
		}
	}
	if got := test.ClassName(0); got != "Ankle boot" {
		t.Errorf("the first test image is of class %q", got)
	}
	mean, std := train.Statistics()
	if math.Abs(mean[0]-float64(train.Mean[0])) > 5e-5 || math.Abs(std[0]-float64(train.Std[0])) > 5e-5 {
		t.Errorf("mean %v, std %v of the training images, normalised with %v and %v", mean, std, train.Mean, train.Std)
	}
}
