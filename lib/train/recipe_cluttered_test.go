package train_test

import (
	"testing"

	"tokenfuse/datasets"
	"tokenfuse/lib/train"
	"tokenfuse/lib/vit"
)

// TestClutteredFashionMNIST: the model takes the images of the dataset, normalised as they are.
func TestClutteredFashionMNIST(t *testing.T) {
	r := train.ClutteredFashionMNIST()
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	clutter, err := datasets.ParseClutter(r.Dataset)
	if err != nil {
		t.Fatal(err)
	}
	model, err := vit.ByName(r.Model)
	if err != nil {
		t.Fatal(err)
	}
	if c := model.Config; c.ImageSize.Height != clutter.Canvas || c.ImageSize.Width != clutter.Canvas || c.Channels != 1 {
		t.Errorf("%s takes %s in %d channels, the canvas is %d", r.Model, c.ImageSize, c.Channels, clutter.Canvas)
	}
}
