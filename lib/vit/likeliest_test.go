package vit

import (
	"math"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
)

func TestLikeliest(t *testing.T) {
	logits := tensors.FromFlatDataAndDimensions([]float32{0, float32(math.Log(3)), 0, 5, 5, -100}, 2, 3)
	guesses := Likeliest("no such model", logits, 2)
	for i, want := range [][]string{{"class 1 60.0%", "class 0 20.0%"}, {"class 0 50.0%", "class 1 50.0%"}} {
		for k, text := range want {
			if got := guesses[i][k].String(); got != text {
				t.Errorf("image %d, guess %d is %q, want %q", i, k, got, text)
			}
		}
		if len(guesses[i]) != 2 {
			t.Errorf("image %d has %d guesses, want 2", i, len(guesses[i]))
		}
	}
	if got := Likeliest("", logits, 7); len(got[0]) != 3 {
		t.Errorf("%d guesses of 3 classes", len(got[0]))
	}
	thousand := make([]float32, 1000)
	thousand[207] = 9
	if got := Likeliest("deit_tiny_patch16_224", tensors.FromFlatDataAndDimensions(thousand, 1, 1000), 1)[0][0].Label; got != "golden retriever" {
		t.Errorf("class 207 is %q", got)
	}
}
