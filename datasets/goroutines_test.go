package datasets

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// TestGoroutines: one dataset, in memory or out of files, some of them broken, is read by many goroutines
// at once as by one. (With -race, in `kernel test`.)
func TestGoroutines(t *testing.T) {
	shapes, err := Shapes(20, 16, 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i := range 12 {
		class := filepath.Join(dir, fmt.Sprint(i%2))
		if err := os.MkdirAll(class, 0o755); err != nil {
			t.Fatal(err)
		}
		file, err := os.Create(filepath.Join(class, fmt.Sprintf("%d.png", i)))
		if err != nil {
			t.Fatal(err)
		}
		picture := image.NewGray(image.Rect(0, 0, 9, 9))
		picture.SetGray(i%9, 4, color.Gray{200})
		if i != 5 { // which stays empty
			err = png.Encode(file, picture)
		}
		if err != nil || file.Close() != nil {
			t.Fatal(err)
		}
	}
	pictures, err := Folder(dir, Test, Transform{Height: 8, Width: 8, Channels: 1, Mean: []float32{0.5}, Std: []float32{0.5}})
	if err != nil {
		t.Fatal(err)
	}
	pictures.SkipBroken = true
	for _, source := range []Source{shapes, pictures} {
		read := func() (all []float32) {
			for batch, err := range source.Stream(t.Context(), 5) {
				if err != nil {
					t.Error(err)
				}
				all = append(all, batch.Images...)
			}
			return all
		}
		want := read()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if !slices.Equal(read(), want) {
					t.Errorf("%v: read otherwise than alone", source.About().Name)
				}
			})
		}
		all.Wait()
	}
	if broken := pictures.Broken(); len(broken) != 1 {
		t.Errorf("%d pictures are broken, want 1", len(broken))
	}
}
