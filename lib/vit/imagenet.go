package vit

import (
	_ "embed"
	"strings"
	"sync"
)

// imageNetText names the classes of ImageNet-1K; imagenet.md says where from.
//
//go:embed imagenet.txt
var imageNetText string

// imageNetLabels are the names of ImageNet-1K's classes in the order of the logits, such as
// "tench, Tinca tinca".
var imageNetLabels = sync.OnceValue(func() []string {
	var all []string
	for line := range strings.Lines(imageNetText) {
		_, words, _ := strings.Cut(strings.TrimSpace(line), " ")
		all = append(all, words)
	}
	return all
})

// labelled gives the models for ImageNet-1K, those with its number of classes, their classes' names.
func labelled(models []Named) []Named {
	for i, m := range models {
		if m.Labels == nil && m.Config.Classes == 1000 {
			models[i].Labels = imageNetLabels()
		}
	}
	return models
}
