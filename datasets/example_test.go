package datasets_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"tokenfuse/datasets"
)

func ExampleShapes() {
	data, err := datasets.Shapes(100, 32, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(data)
	fmt.Println(data.Image(1).Bounds(), data.ClassName(1))
	for batch := range data.First(40).Batches(16) {
		fmt.Println(batch.N, "images,", len(batch.Images), "values")
	}
	// Output:
	// shapes train: 100 images, 32x32x3, 4 classes
	// (0,0)-(32,32) square
	// 16 images, 49152 values
	// 16 images, 49152 values
	// 8 images, 24576 values
}

// It needs the files of the dataset, or the network, and is therefore compiled and not run.
func ExampleFashionMNIST() {
	data, err := datasets.FashionMNIST(datasets.Test)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(data, "beginning with an", data.ClassName(0))
}

// A folder of one's own may hold any number of images; without From they are found or downloaded.
func ExampleCIFAR10() {
	folder, err := os.MkdirTemp("", "cifar")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	// Three images of the binary version: a label, then 32x32 bytes each of red, green and blue.
	var records []byte
	for _, label := range []byte{3, 8, 8} {
		records = append(append(records, label), make([]byte, 3*32*32)...)
	}
	if err := os.WriteFile(filepath.Join(folder, "test_batch.bin"), records, 0o644); err != nil {
		log.Fatal(err)
	}
	data, err := datasets.CIFAR10(datasets.Test, datasets.From(folder))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(data)
	for i := range data.Len() {
		fmt.Println(data.Label(i), data.ClassName(i))
	}
	// Output:
	// cifar10 test: 3 images, 32x32x3, 10 classes
	// 3 cat
	// 8 ship
	// 8 ship
}

func ExampleFolder() {
	dir, err := os.MkdirTemp("", "pictures")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	// As ImageNet: val/CLASS/FILE.
	for _, path := range []string{"val/n01440764/1.JPEG", "val/n01440764/2.JPEG", "val/n01443537/1.JPEG"} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			log.Fatal(err)
		}
		photo, err := os.ReadFile("testdata/420.jpg")
		if err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(path, photo, 0o644); err != nil {
			log.Fatal(err)
		}
	}
	data, err := datasets.Folder(dir, datasets.Validation, datasets.Transform{
		Resize: 256, Height: 224, Width: 224, Channels: 3,
		Mean: []float64{0.485, 0.456, 0.406}, Std: []float64{0.229, 0.224, 0.225},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(data.Len(), "pictures of", data.Classes)
	for batch, err := range data.Stream(context.Background(), 2) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(batch.N, "images,", len(batch.Images), "values, labels", batch.Labels)
	}
	// Output:
	// 3 pictures of [n01440764 n01443537]
	// 2 images, 301056 values, labels [0 0]
	// 1 images, 150528 values, labels [1]
}

// Mixed images have mixed labels: targets of all classes.
func ExampleDeiTAugmentation() {
	data, err := datasets.Shapes(8, 32, 1)
	if err != nil {
		log.Fatal(err)
	}
	feed, err := data.Dataset(datasets.Order{BatchSize: 8, Seed: 1, Augment: datasets.DeiTAugmentation()})
	if err != nil {
		log.Fatal(err)
	}
	for batch, err := range feed.Iter() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(batch.Inputs[0].Shape(), batch.Labels[0].Shape())
	}
	// Output:
	// (Float32)[8, 3, 32, 32] (Float32)[8, 4]
}

func ExampleImages_Holdout() {
	data, err := datasets.Shapes(100, 32, 1)
	if err != nil {
		log.Fatal(err)
	}
	train, validation, err := data.Holdout(0.1, 42)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(train)
	fmt.Println(validation)
	// Output:
	// shapes train: 90 images, 32x32x3, 4 classes
	// shapes validation: 10 images, 32x32x3, 4 classes
}

func ExampleImages_Dataset() {
	data, err := datasets.Shapes(100, 32, 1)
	if err != nil {
		log.Fatal(err)
	}
	feed, err := data.Dataset(datasets.Order{
		BatchSize: 32, Shuffle: true, Seed: 1, DropRemainder: true,
		Augment: datasets.Augmentation{Crop: 4, Flip: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	for batch, err := range feed.Iter() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(batch.Inputs[0].Shape(), batch.Labels[0].Shape())
	}
	// Output:
	// (Float32)[32, 3, 32, 32] (Int32)[32, 1]
	// (Float32)[32, 3, 32, 32] (Int32)[32, 1]
	// (Float32)[32, 3, 32, 32] (Int32)[32, 1]
}

func ExampleTransform() {
	evaluation := datasets.Transform{
		Resize: 256, Height: 224, Width: 224, Channels: 3,
		Mean: []float64{0.485, 0.456, 0.406}, Std: []float64{0.229, 0.224, 0.225},
	}
	if err := evaluation.Validate(); err != nil {
		log.Fatal(err)
	}
	picture, err := datasets.DecodeImage("testdata/420.jpg")
	if err != nil {
		log.Fatal(err)
	}
	input := evaluation.Apply(picture)
	fmt.Println(picture.Bounds().Size(), "to", len(input), "values")
	// Output:
	// (47,35) to 150528 values
}

// Pictures of one's own in clutter: each outside the training split in several, and where it is, is
// known. ClutteredFashionMNIST does the same with the articles of Fashion-MNIST.
func ExampleClutter_Around() {
	shapes, err := datasets.Shapes(10, 16, 1)
	if err != nil {
		log.Fatal(err)
	}
	shapes.Split = datasets.Test
	data, err := datasets.Clutter{Canvas: 32, Distractors: 4, Piece: 6, Clutters: 3, Seed: 1}.Around(shapes)
	if err != nil {
		log.Fatal(err)
	}
	article, clutter := data.Article(24)
	fmt.Println(data.Len(), "images;", "image 24 is article", article, "in clutter", clutter)
	shares, err := data.ForegroundShares(24, 8)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("it stands at", data.Place(24), "and fills so much of each patch of 8x8:")
	for row := range 4 {
		fmt.Println(shares[4*row : 4*row+4])
	}
	// Output:
	// 30 images; image 24 is article 4 in clutter 2
	// it stands at (10,13)-(26,29) and fills so much of each patch of 8x8:
	// [0 0 0 0]
	// [0 0.28125 0.375 0.09375]
	// [0 0.75 1 0.25]
	// [0 0.46875 0.625 0.15625]
}

func ExampleParseClutter() {
	clutter, err := datasets.ParseClutter("cluttered-fashion-mnist:canvas=64,distractors=16")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(clutter.Canvas, clutter.Distractors, clutter.Piece, clutter.Clutters)
	fmt.Println(clutter)
	// Output:
	// 64 16 8 3
	// cluttered-fashion-mnist:canvas=64,distractors=16
}
