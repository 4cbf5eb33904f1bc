package vit

// fashions are Tokenfuse's own models: of Fashion-MNIST, and of cluttered Fashion-MNIST on canvases of 48x48
// and 64x64, where most of 144 and 256 patches are not of the article, and something is to be fused
// away. The last is for a GPU, or a night.
func fashions() []Named {
	config := func(side, dim, depth int) Config {
		return Config{ImageSize: ImageSize{side, side}, PatchSize: 4, Channels: 1, Dim: dim, Depth: depth, Heads: dim / 32, MLPRatio: 2, Classes: 10}
	}
	// Mean and deviation are those of package datasets.
	plain := Evaluation{Mean: []float64{0.2860}, Std: []float64{0.3530}}
	cluttered := Evaluation{Mean: []float64{0.1750}, Std: []float64{0.3105}}
	all := []Named{
		{Name: "vit_fmnist_patch4_28", Config: config(28, 96, 8), Evaluation: plain, Source: "Tokenfuse, trained on Fashion-MNIST"},
		{Name: "vit_cfmnist_patch4_48", Config: config(48, 64, 6), Evaluation: cluttered, Source: "Tokenfuse, trained on cluttered Fashion-MNIST"},
		{Name: "vit_cfmnist_patch4_64", Config: config(64, 96, 8), Evaluation: cluttered, Source: "Tokenfuse, for cluttered Fashion-MNIST of canvas=64"},
	}
	for i := range all {
		all[i].Family = "Tokenfuse"
		all[i].Labels = []string{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"}
	}
	return all
}
