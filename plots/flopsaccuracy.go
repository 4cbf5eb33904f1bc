package plots

import (
	"tokenfuse/lib/result"
)

// FLOPsAccuracy draws accuracy over GMACs: a line for each method through its settings, base models
// (method "none") with a dashed line at their accuracy, the Pareto front as a grey band, and 95%
// intervals: over seeds by Student's t where a setting has several, their accuracies as small points,
// else over images by Wilson's, where their number is known. Rows of several datasets or splits are an
// error, since their accuracies do not compare; failed rows are left out.
func FLOPsAccuracy(rows []result.Row) (*Figure, error) {
	rows, err := evaluated(rows)
	if err != nil {
		return nil, err
	}
	return accuracyOver(rows, axis{
		label: "GMACs per image", unit: "GMACs",
		of:    gmacs,
		costs: func(gmacs float64) float64 { return gmacs },
	}).from(rows), nil
}
