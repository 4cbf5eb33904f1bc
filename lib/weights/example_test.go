package weights_test

import (
	"fmt"
	"maps"
	"slices"

	"tokenfuse/lib/weights"
)

// A checkpoint of a training script, with the optimizer's state and the script's arguments beside the
// state dict under "model": the state dict is what is read.
func ExampleRead() {
	file, err := weights.Read("testdata/training.pth")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(file.Tensors))[:3] {
		fmt.Println(name, file.Tensors[name].Shape())
	}
	// Output:
	// 0.bias (Float32)[4]
	// 0.weight (Float32)[4, 3]
	// 1.bias (Float32)[4]
}

// A checkpoint that would run a command when Python loads it.
func ExampleRead_refused() {
	_, err := weights.Read("testdata/refused-system.pth")
	fmt.Println(err)
	// Output:
	// weights: testdata/refused-system.pth: refuses posix.system: a checkpoint may hold tensors only, as torch.save(model.state_dict(), FILE) writes them
}
