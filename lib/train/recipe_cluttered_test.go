package train_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
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
	nobody := httptest.NewServer(http.NotFoundHandler())
	defer nobody.Close()
	images, err := datasets.ClutteredFashionMNIST(datasets.Test, clutter, datasets.WithMirror(nobody.URL), datasets.WithProgress(io.Discard))
	if errors.Is(err, datasets.ErrNotFound) {
		t.Skip("Fashion-MNIST is not on this machine: apt-get install dataset-fashion-mnist")
	}
	if err != nil {
		t.Fatal(err)
	}
	e := model.Evaluation
	if !slices.Equal(images.Mean, []float32{float32(e.Mean[0])}) || !slices.Equal(images.Std, []float32{float32(e.Std[0])}) {
		t.Errorf("images are normalised with %v and %v, pictures with %v and %v", images.Mean, images.Std, e.Mean, e.Std)
	}
}
