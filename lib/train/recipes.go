package train

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed recipes/*.json
var embedded embed.FS

// FashionMNIST trains vit_fmnist_patch4_28, the model that comes with Tokenfuse.
func FashionMNIST() Recipe {
	return Recipe{
		Model: "vit_fmnist_patch4_28", Dataset: "fashion-mnist", Epochs: 16, BatchSize: 64,
		LearningRate: 2e-3, WarmUpEpochs: 1, WeightDecay: 0.05, LabelSmoothing: 0.05,
		Flip: true, Seed: 1,
	}
}

// Recipes lists the names of the recipes that come with Tokenfuse:
//
//   - cifar trains a small model on CIFAR-10;
//   - cluttered-fashion-mnist trains vit_cfmnist_patch4_48;
//   - deit trains DeiT-S on ImageNet as its paper does (arXiv 2012.12877, table 9, and the defaults of
//     its code), but for repeated augmentation, which it lacks; the learning rate is the paper's
//     0.0005 * batch size / 512;
//   - fashion-mnist trains vit_fmnist_patch4_28;
//   - mctf-finetune fine-tunes DeiT-S under MCTF r=16 with token reduction consistency (arXiv 2403.10030,
//     section 4.1, and the command in the README of its code): 30 epochs at 0.03 of DeiT's learning
//     rate, no warm-up, without mixup and cutmix. (The code adds 10 epochs at the lowest learning
//     rate, timm's cool-down, which the paper does not mention; this recipe has none.)
func Recipes() []string {
	entries, err := embedded.ReadDir("recipes")
	if err != nil {
		panic(err) // embedded when the program was built
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".json"))
	}
	return names
}

// RecipeByName returns a recipe that comes with Tokenfuse; an unknown name is an error that lists the
// known ones.
func RecipeByName(name string) (Recipe, error) {
	data, err := embedded.ReadFile(path.Join("recipes", name+".json"))
	if err != nil {
		return Recipe{}, fmt.Errorf("train: unknown recipe %q: known are %s", name, strings.Join(Recipes(), ", "))
	}
	return ParseRecipe(data)
}
