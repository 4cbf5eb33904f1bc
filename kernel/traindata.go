package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"tokenfuse/datasets"
	"tokenfuse/kernel/internal/failure"
	"tokenfuse/lib/train"
	"tokenfuse/lib/vit"
)

// trainingImages are what a recipe trains on, and what it tests on: ImageNet's validation images for
// pictures in its layout.
func trainingImages(ctx context.Context, progress io.Writer, r train.Recipe, data string) (training, test datasets.Source, err error) {
	if r.Dataset == train.ImageNet {
		return trainingPictures(r, data)
	}
	options := []datasets.Option{datasets.WithContext(ctx), datasets.WithProgress(progress)}
	if data != "" {
		options = append(options, datasets.From(data))
	}
	if training, err = datasets.Open(r.Dataset, datasets.Train, options...); err == nil {
		test, err = datasets.Open(r.Dataset, datasets.Test, options...)
	}
	if errors.Is(err, datasets.ErrNotFound) {
		err = &failure.Error{Code: failure.CodeMissing, Err: err}
	}
	return training, test, err
}

// trainingPictures are those of a folder in ImageNet's layout.
func trainingPictures(r train.Recipe, data string) (training, test datasets.Source, err error) {
	if data == "" {
		return nil, nil, failure.Usage("this recipe trains on pictures in ImageNet's layout: name their folder with --data")
	}
	c, err := vit.ConfigOf(r.Model)
	if r.Config != nil {
		c, err = *r.Config, nil
	}
	if err != nil {
		return nil, nil, failure.Usage("%w", err)
	}
	input := vit.Transform(r.Model, c)
	if training, err = datasets.Folder(data, datasets.Train, input); err == nil {
		test, err = datasets.Folder(data, datasets.Validation, input)
	}
	if err != nil {
		return nil, nil, failure.Usage("%w", err)
	}
	return training, test, nil
}

// described says how many images a source has and, of those in memory, which.
func described(source datasets.Source) string {
	about := source.About()
	text := fmt.Sprintf("%d of %s %s", source.Len(), about.Name, about.Split)
	if images, ok := source.(*datasets.Images); ok {
		text += fmt.Sprintf(", SHA-256 of their content `%s`", images.SHA256())
	}
	return text
}
