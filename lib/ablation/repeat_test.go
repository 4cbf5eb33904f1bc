package ablation_test

import (
	"reflect"
	"testing"

	"tokenfuse/lib/ablation"
	"tokenfuse/lib/fusion"
)

// TestEvaluationRepeats: the same study gives the same rows to the last bit, methods that draw at random
// among them, on the backend that is chosen.
func TestEvaluationRepeats(t *testing.T) {
	m, images := study(t)
	methods := []fusion.Method{fusion.MCTF{R: 3}, fusion.RandomFusion{R: 3, Seed: 5}}
	first, err := ablation.Run(t.Context(), m, images, methods...)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ablation.Run(t.Context(), m, images, methods...)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(first, again) {
		t.Errorf("%+v, and then %+v", first, again)
	}
}
