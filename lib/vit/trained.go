package vit

import "embed"

// trained holds the weights that come with Tokenfuse, one safetensors file and one card (how it was
// made) per model.
//
//go:embed trained
var trained embed.FS

// Card returns how a model that comes with Tokenfuse was made, as Markdown.
func Card(name string) (string, error) {
	text, err := trained.ReadFile("trained/" + name + ".md")
	return string(text), err
}
