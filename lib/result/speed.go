package result

import "fmt"

// WithSpeed returns the rows, those without a speed with that of the timed row of the same model, method,
// fusion setting and precision, whatever its seed: speed depends on neither weights nor chance. Rows that nobody
// timed stay as they are. It is an error if a setting was timed twice (at two batch sizes, say).
func WithSpeed(rows, timed []Row) ([]Row, error) {
	type setting struct{ model, method, configuration, dtype string }
	of := func(r Row) setting { return setting{r.Model, r.Method, r.Configuration(), r.DType} }
	speeds := map[setting][]Row{}
	for _, t := range timed {
		if t.ImagesPerSecond > 0 {
			speeds[of(t)] = append(speeds[of(t)], t)
		}
	}
	with := make([]Row, len(rows))
	for i, r := range rows {
		found := speeds[of(r)]
		switch {
		case r.ImagesPerSecond > 0 || len(found) == 0:
		case len(found) > 1:
			return nil, fmt.Errorf("%q under %q %s was timed twice, %.4g and %.4g images/s: pass the rows of one batch size and machine",
				r.Model, r.Method, r.Setting(), found[0].ImagesPerSecond, found[1].ImagesPerSecond)
		default:
			r.ImagesPerSecond, r.Timing = found[0].ImagesPerSecond, found[0].Timing
		}
		with[i] = r
	}
	return with, nil
}
