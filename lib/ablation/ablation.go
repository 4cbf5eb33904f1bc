// Package ablation runs a model under fusion methods over images and returns rows: what it costs,
// how accurate it is. [Run] takes methods as values, one row each; package plots draws the rows.
package ablation

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/datasets"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/flops"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/result"
	"tokenfuse/lib/vit"
)

// batchSize is the number of images in one pass of Run: large enough to be fast, small enough that
// the last, smaller batch is rarely another compilation.
const batchSize = 250

// Run classifies the images under each method and returns a row for each, in order. A method that
// does not fit the model is an error before anything runs.
func Run(ctx context.Context, m *vit.Model, images *datasets.Images, methods ...fusion.Method) ([]result.Row, error) {
	backend, err := accel.Backend()
	if err != nil {
		return nil, err
	}
	counts := make([]flops.Count, len(methods))
	for i, method := range methods {
		if counts[i], err = flops.Of(m.Config, method); err != nil {
			return nil, err
		}
	}
	rows := make([]result.Row, len(methods))
	for i, method := range methods {
		text, err := json.Marshal(method)
		if err != nil {
			return nil, fmt.Errorf("ablation: %w", err)
		}
		classifier, err := m.WithBackend(backend, method)
		if err != nil {
			return nil, err
		}
		accuracy, err := Accuracy(ctx, classifier, images, batchSize)
		classifier.Close()
		if err != nil {
			return nil, err
		}
		rows[i] = result.Row{
			Model: m.Name, Method: method.Name(), Fusion: text, Dataset: images.Name, Split: string(images.Split),
			Samples: images.Len(), Backend: accel.Name(backend), GMACs: counts[i].GMACs, AccuracyTop1: accuracy,
			Tokens: classifier.Tokens,
		}
	}
	return rows, nil
}

// Accuracy is the share of images, in [0, 1], whose label has the highest logit.
func Accuracy(ctx context.Context, c *vit.Classifier, images *datasets.Images, batch int) (float64, error) {
	if images.Len() == 0 {
		return 0, fmt.Errorf("ablation: no images to classify")
	}
	right := 0
	for b := range images.Batches(batch) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		logits, err := c.Logits(tensors.FromFlatDataAndDimensions(b.Images, b.N, images.Channels, images.Height, images.Width))
		if err != nil {
			return 0, err
		}
		classes := logits.Shape().Dimensions[1]
		all := tensors.MustCopyFlatData[float32](logits)
		for i, label := range b.Labels {
			if best(all[i*classes:(i+1)*classes]) == int(label) {
				right++
			}
		}
	}
	return float64(right) / float64(images.Len()), nil
}

// best returns the index of the largest value, the first of equals.
func best(values []float32) int {
	index := 0
	for i, v := range values {
		if v > values[index] {
			index = i
		}
	}
	return index
}
