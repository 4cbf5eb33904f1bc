package datasets_test

import (
	"fmt"
	"log"

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
