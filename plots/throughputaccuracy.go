package plots

import (
	"errors"
	"fmt"
	"slices"

	"tokenfuse/lib/result"
)

// ThroughputAccuracy draws accuracy over images per second, as FLOPsAccuracy does over GMACs, with the
// quartiles over batches as horizontal intervals. A row needs both: one that has an accuracy alone takes
// the speed from a row of `bench` with the same model and fusion setting, and is left out where there is
// none. It is an error if `bench` timed that setting twice (at two batch sizes, say).
func ThroughputAccuracy(rows []result.Row) (*Figure, error) {
	var accurate, timed []result.Row
	for _, r := range rows {
		switch {
		case r.Failed():
		case r.AccuracyTop1 > 0 || r.Samples > 0:
			accurate = append(accurate, r)
		case r.ImagesPerSecond > 0:
			timed = append(timed, r)
		}
	}
	both, err := result.WithSpeed(accurate, timed)
	if err != nil {
		return nil, fmt.Errorf("plots: %w", err)
	}
	both = slices.DeleteFunc(both, func(r result.Row) bool { return r.ImagesPerSecond == 0 })
	if len(both) == 0 {
		return nil, errors.New("plots: no rows with an accuracy and a speed: pass rows of a run together with rows of `bench` for the same settings")
	}
	if both, err = evaluated(both); err != nil {
		return nil, err
	}
	return accuracyOver(both, axis{
		label: "Images per second", unit: "images/s",
		of:     func(r result.Row) float64 { return r.ImagesPerSecond },
		costs:  func(speed float64) float64 { return 1 / speed },
		spread: quartiles,
	}).from(both), nil
}

// quartiles are the images per second of the slower and the faster quarter of the batches; equal where
// they are not known.
func quartiles(r result.Row) (low, high float64) {
	if r.Batch == 0 || r.MillisecondsQuartile1 <= 0 || r.MillisecondsQuartile3 <= 0 {
		return r.ImagesPerSecond, r.ImagesPerSecond
	}
	images := 1000 * float64(r.Batch)
	return images / r.MillisecondsQuartile3, images / r.MillisecondsQuartile1
}
