// Package inputs notes what a result was made from, as it is read: datasets, weights, result rows, and
// the backend. Those who read call Note; whoever wants to know, such as publish, names a file in the
// environment variable Env beforehand and calls Read afterwards. Without the variable nothing is done.
// The notes of many processes, such as the cells of a notebook, go to one file.
package inputs

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// Env names the environment variable that holds the path of the file of notes.
const Env = "TOKENFUSE_INPUTS"

// Kinds of inputs.
const (
	Dataset = "dataset"
	Weights = "weights"
	Rows    = "rows"
	Backend = "backend"
)

// Input is something that a result was made from.
type Input struct {
	Kind string `json:"kind"`
	// Name says which, without a path: names of folders are the machine's.
	Name string `json:"name"`
	// SHA256 is that of the content, in hex; empty for a backend.
	SHA256 string `json:"sha256,omitempty"`
}

// Note notes an input. A note that cannot be written is lost: no result fails for it.
func Note(kind, name, sum string) {
	path := os.Getenv(Env)
	if path == "" {
		return
	}
	line, err := json.Marshal(Input{kind, name, sum})
	if err != nil {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer file.Close()
	_, _ = file.Write(append(line, '\n')) // in one call, so that notes of several processes do not mix
}

// NoteContent is Note with the checksum of content, which is only computed where somebody asks.
func NoteContent(kind, name string, content []byte) {
	if os.Getenv(Env) != "" {
		sum := sha256.Sum256(content)
		Note(kind, name, hex.EncodeToString(sum[:]))
	}
}

// Read returns the notes in a file, each once, sorted by kind, name and checksum; none where there is no
// such file.
func Read(path string) ([]Input, error) {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("inputs: %w", err)
	}
	var all []Input
	for line := range bytes.Lines(text) {
		var input Input
		if err := json.Unmarshal(line, &input); err != nil {
			return nil, fmt.Errorf("inputs: %s: %w", path, err)
		}
		all = append(all, input)
	}
	slices.SortFunc(all, func(a, b Input) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.SHA256, b.SHA256))
	})
	return slices.Compact(all), nil
}
