package bench

import "tokenfuse/lib/result"

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
		if cut, ok := result.CutOf(rows, *r); ok && cut.Speedup > 1 && r.Speedup > 0 {
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
