package train

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestRecipes: each recipe that comes with Tokenfuse can be trained by, and the one of fashion-mnist is
// what fields left out take.
func TestRecipes(t *testing.T) {
	if want := []string{"cifar", "cluttered-fashion-mnist", "deit", "fashion-mnist", "mctf-finetune"}; !slices.Equal(Recipes(), want) {
		t.Errorf("%v, want %v", Recipes(), want)
	}
	for _, name := range Recipes() {
		r, err := RecipeByName(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want, ok := map[string]Recipe{"fashion-mnist": FashionMNIST(), "cluttered-fashion-mnist": ClutteredFashionMNIST()}[name]
		if ok && !reflect.DeepEqual(r, want) {
			t.Errorf("the recipe is %+v, want %+v", r, want)
		}
	}
	if _, err := RecipeByName("imagenet"); err == nil || !strings.Contains(err.Error(), "known are cifar, cluttered-fashion-mnist, deit") {
		t.Errorf("%v does not list the known recipes", err)
	}
}

// TestFineTuning: what the paper publishes of fine-tuning with consistency.
func TestFineTuning(t *testing.T) {
	r, err := RecipeByName("mctf-finetune")
	if err != nil {
		t.Fatal(err)
	}
	deit, err := RecipeByName("deit")
	if err != nil {
		t.Fatal(err)
	}
	want := Consistency{RTeacherMax: 8, Threshold: 0.4, Weight: 3}
	if r.Epochs != 30 || !reflect.DeepEqual(*r.Consistency, want) || r.LearningRate != 0.03*deit.LearningRate {
		t.Errorf("%d epochs, %+v, learning rate %v of %v", r.Epochs, *r.Consistency, r.LearningRate, deit.LearningRate)
	}
	if deit.LearningRate != 0.0005*float64(deit.BatchSize)/512 {
		t.Errorf("DeiT's learning rate is %v at a batch of %d", deit.LearningRate, deit.BatchSize)
	}
}

func TestUnknownFields(t *testing.T) {
	for text, want := range map[string]string{
		`{"lr":3}`:                                `unknown field "lr": known are model, config, dataset`,
		`{"consistency":{"r_max":8}}`:             `unknown field "r_max": known are r_teacher_max, r_teacher, threshold, weight`,
		`{"distillation":{"teacher":"x"}}`:        `unknown field "teacher": known are model, weights, alpha`,
		`{"consistency":{}}`:                      "want one of both",
		`{"consistency":{"r_teacher_max":-1}}`:    "r_teacher is -1",
		`{"distillation":{"model":"x"}}`:          "needs a model with a distillation token",
		`{"batch_size":10,"accumulate":4}`:        "does not divide",
		`{"ema":1.5}`:                             "ema is 1.5, want 0 to 1",
		`{"stochastic_depth":1}`:                  "stochastic_depth is 1",
		`{"config":{"image_size":8},"model":"x"}`: "patch_size is 0",
	} {
		if _, err := ParseRecipe([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v does not say %q in one line", text, err, want)
		}
	}
	r, err := ParseRecipe([]byte(`{"consistency":{"r_teacher_max":4},"model":"deit_tiny_distilled_patch16_224","distillation":{"model":"deit_base_patch16_224"}}`))
	if err != nil || r.Consistency.Threshold != 0.4 || r.Consistency.Weight != 3 || r.Distillation.Alpha != 0.5 {
		t.Errorf("%+v, %+v, %v: not the published values", r.Consistency, r.Distillation, err)
	}
}

// TestExplain: an error of the backend for want of memory says what to do.
func TestExplain(t *testing.T) {
	s := &session{Recipe: Recipe{BatchSize: 64, Accumulate: 4}, Options: Options{Dir: "out"}}
	for _, text := range []string{"RESOURCE_EXHAUSTED: Out of memory allocating 17 bytes\nstack", "pjrt: out of memory"} {
		got := s.explain(errorText(text)).Error()
		if want := "train: out of memory with 16 images at a time: lower batch_size, or raise accumulate; the last checkpoint is kept in out"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := s.explain(errorText("train: other\nstack")).Error(); got != "train: other" {
		t.Errorf("%q", got)
	}
}

type errorText string

func (e errorText) Error() string { return string(e) }
