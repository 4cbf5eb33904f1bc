// Package result holds what experiments produce: plain rows, one per evaluated setting, kept as
// JSON Lines by sweeps and benchmarks and read by tables and figures. It knows no models and no
// tensors. Its main calls are ReadFile and WriteFile, Wilson for the uncertainty of an accuracy and
// Pareto for the rows that no other row beats.
package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// None is the method of a base model, which fuses nothing.
const None = "none"

// Cut is the method that only cuts off as many tokens as another one removes (bench.Cut).
const Cut = "cut"

// Row is one evaluation of a model under a fusion setting, a flat JSON object.
type Row struct {
	Model  string `json:"model"`
	Method string `json:"method"`
	// Label names the row's method in legends and tables; empty, Series makes a name up.
	Label string `json:"label,omitempty"`
	// Fusion is the setting, as in FUSION.json.
	Fusion  json.RawMessage `json:"fusion,omitempty"`
	Dataset string          `json:"dataset"`
	Split   string          `json:"split"`
	// Samples is the number of images behind AccuracyTop1; 0 where it is not known.
	Samples int    `json:"samples"`
	Seed    int64  `json:"seed"`
	Backend string `json:"backend"`
	// DType is the precision of the model's products where it is not float32: "bfloat16", "float16".
	DType string `json:"dtype,omitempty"`
	// GMACs are 1e9 multiply-accumulates per image, the papers' "FLOPs".
	GMACs float64 `json:"gmacs"`
	// AccuracyTop1 is a fraction, in [0, 1].
	AccuracyTop1 float64 `json:"accuracy_top1"`
	// Tokens leave each block, protected ones included.
	Tokens          []int   `json:"tokens,omitempty"`
	ImagesPerSecond float64 `json:"images_per_second,omitempty"`
	Foreground
	Timing
	Machine
	Sweep
	// Provenance identifies what the row was made with.
	Provenance string `json:"provenance,omitempty"`
}

// Validate returns an error for each value that cannot be: no model or method, a fraction outside
// of [0, 1], a negative count, a fusion setting that is no JSON object.
func (r Row) Validate() error {
	var errs []error
	refuse := func(bad bool, key string, value any, want string) {
		if bad {
			errs = append(errs, fmt.Errorf("%s is %q: want %s", key, fmt.Sprint(value), want))
		}
	}
	refuse(r.Model == "", "model", r.Model, "a name")
	refuse(r.Method == "", "method", r.Method, "a name")
	refuse(r.Samples < 0, "samples", r.Samples, "a count")
	refuse(!(r.GMACs >= 0) || math.IsInf(r.GMACs, 0), "gmacs", r.GMACs, "a number from 0 on")
	refuse(!(r.AccuracyTop1 >= 0 && r.AccuracyTop1 <= 1), "accuracy_top1", r.AccuracyTop1, "a fraction in [0, 1]")
	refuse(!(r.ImagesPerSecond >= 0) || math.IsInf(r.ImagesPerSecond, 0), "images_per_second", r.ImagesPerSecond, "a number from 0 on")
	r.Foreground.validate(refuse)
	r.Timing.validate(refuse)
	refuse(!(r.Seconds >= 0) || math.IsInf(r.Seconds, 0), "seconds", r.Seconds, "a number from 0 on")
	refuse(slices.ContainsFunc(r.Tokens, func(n int) bool { return n < 0 }), "tokens", r.Tokens, "counts")
	if len(r.Fusion) > 0 {
		var object map[string]json.RawMessage
		err := json.Unmarshal(r.Fusion, &object)
		refuse(err != nil || object == nil, "fusion", string(r.Fusion), `an object such as {"method":"none"}`)
	}
	return errors.Join(errs...)
}

// Base returns the row of the base model that r is to be compared with: the same model, dataset and
// split, image size and batch, dtype, method "none", and the same seed where there is one. It is false where
// rows hold none.
func Base(rows []Row, r Row) (Row, bool) {
	var found Row
	ok := false
	for _, b := range rows {
		if b.Method != None || b.Model != r.Model || b.Dataset != r.Dataset || b.Split != r.Split || b.ImageSize != r.ImageSize || b.Batch != r.Batch || b.DType != r.DType {
			continue
		}
		if b.Seed == r.Seed {
			return b, true
		}
		if !ok {
			found, ok = b, true
		}
	}
	return found, ok
}

// CutOf returns the row in which as many tokens were only cut off as r removes: of the same model, image
// size, batch and dtype. It is false where rows hold none.
func CutOf(rows []Row, r Row) (Row, bool) {
	for _, c := range rows {
		if c.Method != Cut || c.Model != r.Model || c.ImageSize != r.ImageSize || c.Batch != r.Batch || c.DType != r.DType {
			continue
		}
		var fusion struct {
			Of json.RawMessage `json:"of"`
		}
		if json.Unmarshal(c.Fusion, &fusion) == nil && len(fusion.Of) > 0 && string(fusion.Of) == string(r.Fusion) {
			return c, true
		}
	}
	return Row{}, false
}
