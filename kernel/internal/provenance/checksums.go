package provenance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"tokenfuse/kernel/internal/compare"
	"tokenfuse/kernel/internal/nbformat"
)

// Checksums tell whether a cell is as it was published, to the last character.
type Checksums struct {
	Source  string `json:"source"`
	Outputs string `json:"outputs,omitempty"`
}

// Sum returns a cell's checksums; of the outputs of a cell tagged timing, which are others each time, none.
func Sum(cell *nbformat.Cell) Checksums {
	sums := Checksums{Source: digest([]byte(cell.Source))}
	if len(cell.Outputs) > 0 && !cell.HasTag(compare.TimingTag) {
		// Keys are sorted and texts joined, so that Jupyter may have written the file anew.
		text, err := json.Marshal(cell.Outputs)
		if err != nil {
			text = []byte(err.Error()) // of values that came from JSON there is none
		}
		sums.Outputs = digest(text)
	}
	return sums
}

// digest is the first half of a SHA-256, in hex: enough to tell, and half as long.
func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}
