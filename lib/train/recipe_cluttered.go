package train

// ClutteredFashionMNIST trains vit_cfmnist_patch4_48 on cluttered Fashion-MNIST, in new clutter each
// epoch, in about two hours on two cores. Places and clutter are augmentation enough: to them it adds
// mirroring alone, as FashionMNIST does.
func ClutteredFashionMNIST() Recipe {
	r := FashionMNIST()
	r.Model, r.Dataset, r.Epochs = "vit_cfmnist_patch4_48", "cluttered-fashion-mnist", 18
	return r
}
