package datasets

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// smallInput makes 8x8 pixels of a picture.
var smallInput = Transform{Resize: 8, Height: 8, Width: 8, Channels: 3,
	Mean: []float64{0.5, 0.4, 0.3}, Std: []float64{0.5, 0.25, 0.2}}

// tree writes files below a new folder: pictures of their own shade, but for those that have a text.
func tree(t testing.TB, texts map[string]string, paths ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, path := range paths {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		content := []byte(texts[filepath.Base(path)])
		if len(content) == 0 {
			picture := image.NewNRGBA(image.Rect(0, 0, 12, 10))
			for p := range 120 {
				picture.Set(p%12, p/12, color.NRGBA{uint8(10 * i), uint8(p), 100, 255})
			}
			var buffer bytes.Buffer
			if err := png.Encode(&buffer, picture); err != nil {
				t.Fatal(err)
			}
			content = buffer.Bytes()
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// imagenet is a tree of 3 training pictures and 7 validation pictures, and of what is to be ignored.
func imagenet(t testing.TB) string {
	return tree(t, nil, "train/n02/c.JPEG", "train/n01/b.png", "train/n01/a.jpg",
		"val/n01/1.png", "val/n01/2.webp", "val/n01/3.Jpeg", "val/n03/1.png", "val/n03/0.png", "val/n02/x.png", "val/n02/y.png",
		"val/n02/.hidden.png", "val/n02/list.txt", "val/n02/deeper/z.png", "val/.cache/a.png", "val/README")
}

func labelsOf(s Source) (labels []int) {
	for i := range s.Len() {
		labels = append(labels, s.Label(i))
	}
	return labels
}

func TestFolder(t *testing.T) {
	dir := imagenet(t)
	val, err := Folder(dir, Validation, smallInput)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for i := range val.Len() {
		path, _ := filepath.Rel(dir, val.Path(i))
		paths = append(paths, filepath.ToSlash(path))
	}
	want := []string{"val/n01/1.png", "val/n01/2.webp", "val/n01/3.Jpeg", "val/n02/x.png", "val/n02/y.png", "val/n03/0.png", "val/n03/1.png"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{0, 0, 0, 1, 1, 2, 2}, labelsOf(val)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(About{filepath.Base(dir), Validation, []string{"n01", "n02", "n03"}, 8, 8, 3}, val.About()); diff != "" {
		t.Error(diff)
	}
	if got := val.String(); !strings.HasSuffix(got, " validation: 7 picture files, 3 classes") {
		t.Error(got)
	}
	train, err := Folder(dir, Train, smallInput)
	if err != nil || train.Len() != 3 || train.ClassName(2) != "n02" {
		t.Errorf("%v, %v", train, err)
	}
	// Classes without splits are taken for any of them.
	for _, split := range []Split{Train, Validation, Test} {
		flat, err := Folder(filepath.Join(dir, "val"), split, smallInput)
		if err != nil || flat.Len() != 7 || flat.Split != split || flat.Name != "val" {
			t.Errorf("%v, %v", flat, err)
		}
	}
}

func TestFolderOfLinks(t *testing.T) {
	dir, links := imagenet(t), t.TempDir()
	for _, class := range []string{"n01", "n02"} {
		if err := os.Symlink(filepath.Join(dir, "val", class), filepath.Join(links, class)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Folder(links, Test, smallInput); err != nil || got.Len() != 5 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestFolderRefuses(t *testing.T) {
	good := imagenet(t)
	tests := map[string]struct {
		dir   string
		split Split
		input Transform
		want  string
	}{
		"no folder":       {filepath.Join(good, "none"), Train, smallInput, `none" not found`},
		"a file":          {filepath.Join(good, "val", "README"), Train, smallInput, "README"},
		"no such split":   {good, "tset", smallInput, `no split "tset"`},
		"split not there": {good, Test, smallInput, "but none for test"},
		"no classes":      {filepath.Join(good, "train", "n01"), Train, smallInput, "holds no folders"},
		"empty class":     {tree(t, nil, "a/1.png", "b/1.txt"), Train, smallInput, `b" holds no pictures`},
		"bad input":       {good, Train, Transform{}, "transform has size"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Folder(test.dir, test.split, test.input)
			checkError(t, err, test.want)
			if errors.Is(err, ErrNotFound) != (name == "no folder") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// collect joins the batches of a stream.
func collect(t *testing.T, s Source, size int) (all Batch, sizes []int) {
	t.Helper()
	for batch, err := range s.Stream(t.Context(), size) {
		if err != nil {
			t.Fatal(err)
		}
		all.Images, all.Labels = append(all.Images, batch.Images...), append(all.Labels, batch.Labels...)
		all.N += batch.N
		sizes = append(sizes, batch.N)
	}
	return all, sizes
}

func TestPicturesStream(t *testing.T) {
	noGoroutinesLeft(t)
	pictures, err := Folder(imagenet(t), Validation, smallInput)
	if err != nil {
		t.Fatal(err)
	}
	want := Batch{N: 7, Labels: []int32{0, 0, 0, 1, 1, 2, 2}}
	for i := range pictures.Len() {
		picture, err := pictures.Image(i)
		if err != nil {
			t.Fatal(err)
		}
		want.Images = append(want.Images, smallInput.Apply(picture)...)
	}
	for size, sizes := range map[int][]int{1: {1, 1, 1, 1, 1, 1, 1}, 3: {3, 3, 1}, 7: {7}, 100: {7}, 0: {7}, -1: {7}} {
		for _, processors := range []int{1, 8} {
			old := runtime.GOMAXPROCS(processors)
			got, gotSizes := collect(t, pictures, size)
			runtime.GOMAXPROCS(old)
			if diff := cmp.Diff(sizes, gotSizes); diff != "" {
				t.Error(diff)
			}
			if !cmp.Equal(want, got) {
				t.Errorf("batches of %d on %d processors: other values", size, processors)
			}
		}
	}
	for range pictures.Stream(t.Context(), 2) { // left early
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, last = range pictures.Stream(ctx, 1) {
		n++
		cancel()
	}
	if !errors.Is(last, context.Canceled) || n > 3 {
		t.Errorf("after cancelling: %d more, %v", n-1, last)
	}
}

func TestImagesStream(t *testing.T) {
	images := shapesOf(7, 8, 1)
	var want Batch
	for want = range images.Batches(0) {
	}
	if got, sizes := collect(t, images, 3); !cmp.Equal(got, want) || !slices.Equal(sizes, []int{3, 3, 1}) {
		t.Errorf("other batches: %v", sizes)
	}
	for range images.Stream(t.Context(), 2) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range images.Stream(ctx, 2) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}

func TestBrokenPictures(t *testing.T) {
	noGoroutinesLeft(t)
	broken := map[string]string{"bad.jpg": "no picture", "cut.png": "\x89PNG\r\n\x1a\n\x00\x00\x00"}
	dir := tree(t, broken, "a/1.png", "a/bad.jpg", "b/2.png", "b/cut.png", "b/3.png")
	pictures, err := Folder(dir, Test, smallInput)
	if err != nil {
		t.Fatal(err)
	}
	// The first broken file in order is named, whichever is decoded first.
	for range 20 {
		var last error
		for _, last = range pictures.Stream(t.Context(), 5) {
		}
		checkError(t, last, filepath.Join("a", "bad.jpg"), "not a JPEG, PNG or WebP file")
	}
	feed, err := pictures.Dataset(Order{BatchSize: 5})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range feed.Iter() {
		checkError(t, err, "bad.jpg")
	}
	if len(pictures.Broken()) != 0 {
		t.Error("left out without having been asked for")
	}

	pictures.SkipBroken = true
	for size, want := range map[int][]int{5: {3}, 2: {1, 2}, 1: {1, 1, 1}} {
		got, sizes := collect(t, pictures, size)
		if !slices.Equal(got.Labels, []int32{0, 1, 1}) || len(got.Images) != 3*3*8*8 || !slices.Equal(sizes, want) {
			t.Errorf("batches of %d: labels %v, sizes %v", size, got.Labels, sizes)
		}
		one, _ := pictures.Image(3)
		if !slices.Equal(got.Images[2*3*64:], smallInput.Apply(one)) {
			t.Error("the last image is another")
		}
	}
	shuffled := pictures.Shuffled(1)
	if got := take(t, datasetOf(t, shuffled, Order{BatchSize: 5, Augment: Augmentation{Mix: Mix{Mixup: 1}}}), 9); len(got) != 1 || got[0].LabelsShape != "(Float32)[3, 2]" {
		t.Errorf("%d batches, labels %s", len(got), got[0].LabelsShape)
	}
	want := []string{filepath.Join(dir, "a", "bad.jpg"), filepath.Join(dir, "b", "cut.png")}
	if diff := cmp.Diff(want, pictures.Broken()); diff != "" {
		t.Error(diff)
	}
}

func TestPicturesParts(t *testing.T) {
	pictures, err := Folder(imagenet(t), Validation, smallInput)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]int{-1: 0, 0: 0, 3: 3, 100: 7} {
		if got := pictures.First(n).Len(); got != want {
			t.Errorf("the first %d are %d", n, got)
		}
	}
	subset, err := pictures.Subset([]int{6, 0, 6})
	if err != nil || !slices.Equal(labelsOf(subset), []int{2, 0, 2}) {
		t.Errorf("%v, %v", labelsOf(subset), err)
	}
	_, err = pictures.Subset([]int{7})
	checkError(t, err, `has no picture "7": take 0 to 6`)
	// The order of Images of as many.
	var want []string
	for _, i := range firstPixels(grey(7).Shuffled(4)) {
		want = append(want, pictures.Path(i))
	}
	shuffled := pictures.Shuffled(4)
	for i := range want {
		if shuffled.Path(i) != want[i] {
			t.Errorf("picture %d is %s, want %s", i, shuffled.Path(i), want[i])
		}
	}
}
