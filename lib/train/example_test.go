package train_test

import (
	"context"
	"fmt"
	"os"

	"tokenfuse/datasets"
	"tokenfuse/lib/accel"
	"tokenfuse/lib/notebook"
	"tokenfuse/lib/result"
	"tokenfuse/lib/train"
	"tokenfuse/plots"
)

// A recipe of one's own, on generated pictures, with a curve that grows in a notebook's cell.
func ExampleRun() {
	recipe := notebook.Must(train.ParseRecipe([]byte(`{
		"model": "mine",
		"config": {"image_size": 16, "patch_size": 4, "dim": 24, "depth": 3, "heads": 3, "mlp_ratio": 2, "classes": 4},
		"fusion": {"method": "mctf", "r": 2},
		"consistency": {"r_teacher": [0, 1]},
		"epochs": 2, "batch_size": 16
	}`)))
	images, test := notebook.Must(datasets.Shapes(64, 16, 1)), notebook.Must(datasets.Shapes(32, 16, 2))
	dir := notebook.Must(os.MkdirTemp("", "tokenfuse-*"))
	defer os.RemoveAll(dir)
	curve := notebook.Live()
	var rows []result.TrainingRow
	_, _, err := train.Run(context.Background(), recipe, train.Options{
		Dir: dir, Backend: notebook.Must(accel.New("go")), Train: images, Test: test,
		Logged: func(log []result.TrainingRow) {
			rows = log
			curve(notebook.Must(plots.Training(rows)))
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range rows {
		fmt.Printf("epoch %g: %d parts of the loss\n", row.Epoch, len(row.Parts))
	}
	// Output:
	// epoch 1: 3 parts of the loss
	// epoch 2: 3 parts of the loss
}
