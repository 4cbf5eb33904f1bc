package result

// Sweep is what the store of a sweep knows of a row beside its result; its fields are fields of the
// row. Other rows leave them empty.
type Sweep struct {
	// Key is the SHA-256, in hex, of the configuration that the row is the result of: see Cell.Key in
	// package ablation. Rows of one key are results of the same experiment.
	Key string `json:"key,omitempty"`
	// Target is the cost for which the setting was found, "60%" of the base model's or GMACs "2.6";
	// empty where the setting was given.
	Target string `json:"target,omitempty"`
	// Error says why there is no result. Accuracy, samples and tokens are then 0 and mean nothing.
	Error string `json:"error,omitempty"`
	// Seconds is what the evaluation took, compiling and loading included.
	Seconds float64 `json:"seconds,omitempty"`
	// Correct says of each image, in order, whether it was classified right: see EncodeAnswers.
	Correct string `json:"correct,omitempty"`
	// Groups says of each image what it shows, where one thing is in several images: see EncodeGroups.
	// Empty, each image is a thing of its own.
	Groups string `json:"groups,omitempty"`
}

// Failed reports whether the row says why there is no result.
func (s Sweep) Failed() bool { return s.Error != "" }
