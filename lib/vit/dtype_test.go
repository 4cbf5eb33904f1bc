package vit

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/accel"
	"tokenfuse/lib/fusion"
)

// TestDType: each kind of model answers in half precision as in float32, to within the precision of
// the products; each kind of method works in it.
func TestDType(t *testing.T) {
	backend, err := accel.New("go")
	if err != nil {
		t.Fatal(err)
	}
	logits := func(t *testing.T, config Config, method fusion.Method) []float32 {
		t.Helper()
		return tensors.MustCopyFlatData[float32](traced(t, config, method, backend).Logits)
	}
	largest := func(all []float32) (most float64) {
		for _, v := range all {
			most = max(most, math.Abs(float64(v)))
		}
		return most
	}
	for name, config := range everyModel() {
		// A choice between near equals may differ; pooling by random pairs has none.
		for _, method := range []fusion.Method{fusion.None{}, fusion.RandomFusion{R: 3}} {
			exact := logits(t, config, method)
			for dtype, tolerance := range map[DType]float64{BFloat16: 0.03, Float16: 0.004} {
				t.Run(fmt.Sprintf("%s/%s/%s", name, method.Name(), dtype), func(t *testing.T) {
					half := config
					half.DType = dtype
					got := logits(t, half, method)
					var worst float64
					for i, v := range got {
						worst = max(worst, math.Abs(float64(v-exact[i])))
					}
					if worst == 0 || worst > tolerance*largest(exact) {
						t.Errorf("logits differ by %.2g of the largest, want more than 0 and at most %v", worst/largest(exact), tolerance)
					}
				})
			}
		}
	}
	for _, d := range fusion.Methods() {
		t.Run(d.Name, func(t *testing.T) {
			config := tiny(false)
			config.DType = BFloat16
			method := schedules(t, d)[1]
			for _, v := range logits(t, config, method) {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					t.Fatalf("a logit is %v", v)
				}
			}
		})
	}
}
