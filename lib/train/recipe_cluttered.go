package train

// ClutteredFashionMNIST trains vit_cfmnist_patch4_48 on cluttered Fashion-MNIST from random weights, in
// new clutter each epoch. Places and clutter are augmentation enough: to them it adds mirroring alone, as
// FashionMNIST does. (The weights that come with Tokenfuse were made in fewer steps, by way of articles
// without clutter: notebooks/study.)
func ClutteredFashionMNIST() Recipe {
	r := FashionMNIST()
	r.Model, r.Dataset, r.Epochs = "vit_cfmnist_patch4_48", "cluttered-fashion-mnist", 18
	return r
}
