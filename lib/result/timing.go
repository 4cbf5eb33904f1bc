package result

import "math"

// Timing is how fast a model ran, batch after batch; its fields are fields of the row. Values that
// were not measured are 0.
type Timing struct {
	// Batch is the number of images that run at once.
	Batch int `json:"batch,omitempty"`
	// ImageSize is "HEIGHTxWIDTH" in pixels.
	ImageSize string `json:"image_size,omitempty"`
	// Command ran the batches of a row of method "external".
	Command string `json:"command,omitempty"`
	// Repetitions is the number of batches timed, behind the median and the quartiles.
	Repetitions           int     `json:"repetitions,omitempty"`
	MillisecondsPerBatch  float64 `json:"milliseconds_per_batch,omitempty"` // the median
	MillisecondsQuartile1 float64 `json:"milliseconds_per_batch_quartile_1,omitempty"`
	MillisecondsQuartile3 float64 `json:"milliseconds_per_batch_quartile_3,omitempty"`
	// CompileSeconds is what the first batch took longer than the others: building the graph and
	// compiling it.
	CompileSeconds float64 `json:"compile_seconds,omitempty"`
	// StartSeconds is from the start of a process of the case's own to its first logits.
	StartSeconds float64 `json:"start_seconds,omitempty"`
	// PeakMebibytes is the most resident memory of a process of the case's own, compiling included.
	PeakMebibytes float64 `json:"peak_mebibytes,omitempty"`
	// Speedup is images_per_second over that of the base model, of the same model, image size, batch and dtype.
	Speedup float64 `json:"speedup,omitempty"`
	// GMACsShare is gmacs over that of the base model.
	GMACsShare float64 `json:"gmacs_share,omitempty"`
	// GainOfCutting is the part of the speed-up that is left of what cutting as many tokens off, in the
	// same layers, would give: (speedup - 1) / (speedup of the cut - 1).
	GainOfCutting float64 `json:"gain_of_cutting,omitempty"`
}

// Machine is what a row was measured on; its fields are fields of the row.
type Machine struct {
	CPU    string `json:"cpu,omitempty"`
	Cores  int    `json:"cores,omitempty"`     // that the process may use
	Device string `json:"device,omitempty"`    // the accelerator's name; empty for a CPU
	System string `json:"system,omitempty"`    // "linux/amd64"
	Plugin string `json:"plugin,omitempty"`    // of XLA, with its version and options
	Flags  string `json:"xla_flags,omitempty"` // XLA_FLAGS of the environment
	Go     string `json:"go,omitempty"`        // version of the toolchain
	GoMLX  string `json:"gomlx,omitempty"`
	GoXLA  string `json:"go_xla,omitempty"`
	Commit string `json:"commit,omitempty"` // of Tokenfuse, with "+changes" where files differ from it
}

// Bare is the machine without what Tokenfuse runs on it: where another program was measured.
func (m Machine) Bare() Machine {
	return Machine{CPU: m.CPU, Cores: m.Cores, Device: m.Device, System: m.System}
}

// validate passes each value of the timing to refuse.
func (t Timing) validate(refuse func(bad bool, key string, value any, want string)) {
	refuse(t.Batch < 0, "batch", t.Batch, "a count")
	refuse(t.Repetitions < 0, "repetitions", t.Repetitions, "a count")
	for _, f := range []struct {
		key   string
		value float64
	}{
		{"milliseconds_per_batch", t.MillisecondsPerBatch}, {"milliseconds_per_batch_quartile_1", t.MillisecondsQuartile1},
		{"milliseconds_per_batch_quartile_3", t.MillisecondsQuartile3}, {"compile_seconds", t.CompileSeconds},
		{"start_seconds", t.StartSeconds}, {"peak_mebibytes", t.PeakMebibytes}, {"speedup", t.Speedup}, {"gmacs_share", t.GMACsShare},
	} {
		refuse(!(f.value >= 0) || math.IsInf(f.value, 0), f.key, f.value, "a number from 0 on")
	}
	gain := t.GainOfCutting // below 0 where a method makes its model slower
	refuse(math.IsNaN(gain) || math.IsInf(gain, 0), "gain_of_cutting", gain, "a number")
}
