package vit_test

import (
	"fmt"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

func ExampleModel_With() {
	config := vit.Config{ImageSize: vit.ImageSize{Height: 32, Width: 32}, PatchSize: 4, Channels: 3,
		Dim: 24, Depth: 4, Heads: 3, MLPRatio: 4, Classes: 10}
	model, err := vit.New(config, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fused, err := model.With(fusion.MCTF{R: 8})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("tokens leaving each block:", fused.Tokens)

	_, err = model.With(fusion.MCTF{R: 8, Layers: []int{7}})
	fmt.Println(err)
	// Output:
	// tokens leaving each block: [65 57 49 41]
	// fusion: layer 7 of a model with 4 layers: layers count from 0 to 3
}
