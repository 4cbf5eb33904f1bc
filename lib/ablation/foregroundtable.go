package ablation

import (
	"fmt"

	"tokenfuse/lib/result"
	"tokenfuse/lib/statistics"
)

// OfForeground returns the summary whose table says, beside the accuracy, what became of the foreground
// behind the last block (result.Foreground) in place of how certain the accuracy is: means over the seeds
// and their deviation. Columns of what was not measured are left out.
func (s Summary) OfForeground() Summary {
	s.ofForeground = true
	return s
}

var foregroundColumns = []column{
	overSeeds("foreground kept (%)", "%.1f", 100, func(f result.Foreground) float64 { return f.ForegroundKept }),
	overSeeds("patches kept (%)", "%.1f", 100, func(f result.Foreground) float64 { return f.PatchesKept }),
	overSeeds("group purity (%)", "%.1f", 100, func(f result.Foreground) float64 { return f.GroupPurity }),
	overSeeds("foreground purity (%)", "%.1f", 100, func(f result.Foreground) float64 { return f.ForegroundPurity }),
	overSeeds("patches in a foreground token", "%.2f", 1, func(f result.Foreground) float64 { return f.ForegroundSize }),
	overSeeds("in a background token", "%.2f", 1, func(f result.Foreground) float64 { return f.BackgroundSize }),
}

// overSeeds is a column of a measurement, empty where all seeds have 0: it was not made then.
func overSeeds(header, format string, scale float64, of func(result.Foreground) float64) column {
	return column{header: header, cell: func(l Line) string {
		var values []float64
		for _, r := range l.Rows {
			if value := of(r.Foreground); value > 0 {
				values = append(values, scale*value)
			}
		}
		spread := statistics.Seeds(values)
		switch len(values) {
		case 0:
			return ""
		case 1:
			return fmt.Sprintf(format, spread.Mean)
		}
		return fmt.Sprintf(format+" ± "+format, spread.Mean, spread.Deviation)
	}}
}
