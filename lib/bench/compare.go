package bench

import (
	"encoding/json"

	"tokenfuse/lib/result"
)

// Compare fills in what rows say only beside each other: the speed and the GMACs over those of the base
// model of the same model, image size, batch and dtype, and which part of the gain of cutting tokens off a
// method keeps, where there is such a row. Ratios that cannot be told stay 0.
func Compare(rows []result.Row) {
	for i := range rows {
		r := &rows[i]
		base, ok := result.Base(rows, *r)
		if !ok {
			continue
		}
		r.Speedup = ratio(r.ImagesPerSecond, base.ImagesPerSecond)
		r.GMACsShare = ratio(r.GMACs, base.GMACs)
	}
	for i := range rows {
		r := &rows[i]
		if cut, ok := cutOf(rows, *r); ok && r.Speedup > 0 {
			r.GainOfCutting = (r.Speedup - 1) / (cut.Speedup - 1)
		}
	}
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// cutOf returns the row that cuts off what r removes, if that made the model any faster.
func cutOf(rows []result.Row, r result.Row) (result.Row, bool) {
	for _, c := range rows {
		if c.Method != "cut" || c.Model != r.Model || c.ImageSize != r.ImageSize || c.Batch != r.Batch || c.DType != r.DType || c.Speedup <= 1 {
			continue
		}
		var fusion struct {
			Of json.RawMessage `json:"of"`
		}
		if json.Unmarshal(c.Fusion, &fusion) == nil && len(fusion.Of) > 0 && string(fusion.Of) == string(r.Fusion) {
			return c, true
		}
	}
	return result.Row{}, false
}
