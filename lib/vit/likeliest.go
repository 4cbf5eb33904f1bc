package vit

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"
)

// Guess is a class that a model takes an image for.
type Guess struct {
	Class       int
	Label       string // first of the class's names where they are known, else "class 7"
	Probability float64
}

// String is "tabby 61.3%".
func (g Guess) String() string { return fmt.Sprintf("%s %.1f%%", g.Label, 100*g.Probability) }

// Likeliest returns for each image the k classes of the highest logits [batch, classes], the likeliest
// first and of equal ones the lower class; fewer where there are fewer. name is a model's, for the names
// of its classes.
func Likeliest(name string, logits *tensors.Tensor, k int) [][]Guess {
	classes := logits.Shape().Dimensions[1]
	labels := labelsOf(name, classes)
	var all [][]Guess
	for row := range slices.Chunk(tensors.MustCopyFlatData[float32](logits), classes) {
		highest := float64(slices.Max(row))
		guesses, total := make([]Guess, classes), 0.0
		for i, v := range row {
			guesses[i] = Guess{Class: i, Label: labels[i], Probability: math.Exp(float64(v) - highest)}
			total += guesses[i].Probability
		}
		for i := range guesses {
			guesses[i].Probability /= total
		}
		slices.SortStableFunc(guesses, func(a, b Guess) int { return cmp.Compare(row[b.Class], row[a.Class]) })
		all = append(all, guesses[:min(max(k, 0), classes)])
	}
	return all
}

// CheckLogits reports the first image of a batch whose logits [batch, classes] are not all finite: no class
// is the likeliest among them. image names one by its place in the batch.
func CheckLogits(logits *tensors.Tensor, image func(i int) string) error {
	classes := logits.Shape().Dimensions[1]
	for i, v := range tensors.MustCopyFlatData[float32](logits) {
		if v := float64(v); math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("the logits of %s are not finite: class %d has %v: look for NaN or too large values in the weights and the images", image(i/classes), i%classes, v)
		}
	}
	return nil
}

// labelsOf are the first names of a model's classes: "tench" of "tench, Tinca tinca".
func labelsOf(name string, classes int) []string {
	named, _ := ByName(name) // one that is not known has no labels
	labels := make([]string, classes)
	for i := range labels {
		labels[i] = fmt.Sprintf("class %d", i)
		if len(named.Labels) == classes {
			labels[i], _, _ = strings.Cut(named.Labels[i], ", ")
		}
	}
	return labels
}
