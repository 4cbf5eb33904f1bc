package ablation

import (
	"testing"

	"tokenfuse/datasets"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// TestEvaluatorShares: cells of the same model and method share what is compiled, of the same data what
// is loaded; a method more takes a classifier of its own, on the same model.
func TestEvaluatorShares(t *testing.T) {
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	m, err := vit.New(vit.Config{ImageSize: vit.ImageSize{Height: 8, Width: 8}, PatchSize: 4, Channels: 3, Dim: 6, Depth: 1, Heads: 1, MLPRatio: 1, Classes: 4}, 1)
	if err != nil {
		t.Fatal(err)
	}
	shapes := GridData{Dataset: "shapes", Images: 4, Size: 8}
	other := shapes
	other.Seed = 1
	cells, err := Grid{Models: []GridModel{{Value: m}}, Methods: Methods(fusion.None{}, fusion.ToMe{R: 1}), Data: []GridData{shapes, other}}.Cells()
	if err != nil {
		t.Fatal(err)
	}
	e := newEvaluator(Options{Backend: backend})
	defer e.close()
	var classifiers []*vit.Classifier
	var images []datasets.Source
	for _, c := range cells {
		if row, err := e.evaluate(t.Context(), c, func(int, int) {}); err != nil || row.Failed() {
			t.Fatal(err, row.Error)
		}
		loaded, err := e.load(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		classifiers, images = append(classifiers, e.classifier), append(images, loaded)
		if e.model != m {
			t.Error("the model was made again")
		}
	}
	if len(cells) != 4 || classifiers[0] != classifiers[1] || classifiers[2] != classifiers[3] || classifiers[0] == classifiers[2] {
		t.Errorf("classifiers of %v: %p", cells, classifiers)
	}
	if images[0] != images[2] || images[1] != images[3] || images[0] == images[1] {
		t.Errorf("images of %v: %p", cells, images)
	}
}
