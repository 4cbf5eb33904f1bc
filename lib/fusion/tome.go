package fusion

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/internal/strictjson"
)

// ToMe is Token Merging (Bolya et al., arXiv 2210.09461, ICLR 2023, section 3, with code in appendix D;
// official code facebookresearch/ToMe, tome/merge.py, bipartite_soft_matching): the most similar pairs
// merge, by the cosine of their keys averaged over heads, from A to B, weighted by size, between
// attention and MLP of every layer. Table 1 of the paper holds these choices against others.
type ToMe struct {
	// R is the number of tokens that each layer removes.
	R int
	// Inflection makes the schedule fall (-1) or rise (+1) linearly around R; 0 is constant (section
	// 4.2).
	Inflection float64
	// RPerLayer replaces R and Inflection by one count per layer; layers beyond the list remove none.
	RPerLayer []int
	// PlainAttention leaves the sizes out of the attention, without the proportional attention of eq. 1.
	PlainAttention bool
}

func (ToMe) Name() string { return "tome" }

// ProportionalAttention is on unless PlainAttention is set.
func (m ToMe) ProportionalAttention() bool { return !m.PlainAttention }

// schedule returns r of each layer (ToMe's utils: from r (1 - inflection) to r (1 + inflection),
// truncated).
func (m ToMe) schedule(depth int) []int {
	plan := make([]int, depth)
	if m.RPerLayer != nil {
		copy(plan, m.RPerLayer)
		return plan
	}
	least := float64(m.R) * (1 - m.Inflection)
	most := 2*float64(m.R) - least
	for i := range plan {
		step := 0.0
		if depth > 1 {
			step = (most - least) / float64(depth-1)
		}
		plan[i] = int(min(least+step*float64(i), math.MaxInt32)) // more than any layer has
	}
	return plan
}

// Step merges r tokens, at most half of those not protected.
func (m ToMe) Step(at Layer) (*Step, error) {
	if err := m.validate(at.Depth); err != nil {
		return nil, err
	}
	r := min(m.schedule(at.Depth)[at.Index], (at.Tokens-at.Protected)/2)
	if r <= 0 {
		return nil, nil
	}
	return &Step{
		Place:     BetweenAttentionAndMLP,
		Remaining: at.Tokens - r,
		Matching:  (at.Tokens + 1) / 2 * (at.Tokens / 2) * (at.Dim / at.Heads),
		Needs:     []Input{InputMetric},
		Assign: func(e Evidence) *Assignment {
			return matching{
				scores: StopGradient(cosinesOfPairs(e.Keys, e.Inference)), tokens: at.Tokens, giveA: r, protected: at.Protected,
			}.assign(e, PoolSize())
		},
	}, nil
}

// Knob is r; beyond half of the tokens a layer has no more to give.
func (m ToMe) Knob() Knob { return Knob{Name: "r", Most: 1 << 16, Whole: true} }

// Adjusted replaces R, and the list per layer where there is one.
func (m ToMe) Adjusted(r float64) Method {
	m.R, m.RPerLayer = int(r), nil
	return m
}

func (m ToMe) validate(depth int) error {
	if m.R < 0 {
		return fmt.Errorf("fusion: r is %d, want 0 or above", m.R)
	}
	if math.IsNaN(m.Inflection) || math.Abs(m.Inflection) > 1 {
		return fmt.Errorf("fusion: inflection is %v, want -1 (falling) to 1 (rising)", m.Inflection)
	}
	for i, r := range m.RPerLayer {
		if r < 0 {
			return fmt.Errorf("fusion: r of layer %d is %d, want 0 or above", i, r)
		}
	}
	if depth > 0 && len(m.RPerLayer) > depth {
		return fmt.Errorf("fusion: r has %d values for a model with %d layers", len(m.RPerLayer), depth)
	}
	return nil
}

// tomeJSON is ToMe in FUSION.json; r is a count, a list, or {"r":6,"inflection":-1}.
type tomeJSON struct {
	Method        string          `json:"method"`
	R             json.RawMessage `json:"r,omitempty"`
	Proportional  bool            `json:"proportional_attention"`
	ProtectedRule ProtectedRule   `json:"protected_rule,omitempty"`
}

type inflected struct {
	R          int     `json:"r"`
	Inflection float64 `json:"inflection"`
}

func (m ToMe) MarshalJSON() ([]byte, error) {
	var r any = m.R
	if m.RPerLayer != nil {
		r = m.RPerLayer
	} else if m.Inflection != 0 {
		r = inflected{m.R, m.Inflection}
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return json.Marshal(tomeJSON{Method: "tome", R: raw, Proportional: !m.PlainAttention})
}

func parseToMe(data []byte) (Method, error) {
	in := tomeJSON{R: json.RawMessage("8"), Proportional: true}
	if err := strict(data, &in); err != nil {
		return nil, err
	}
	if err := known("protected_rule", string(in.ProtectedRule), "tokens"); err != nil {
		return nil, err
	}
	m := ToMe{PlainAttention: !in.Proportional}
	var err error
	switch raw := bytes.TrimSpace(in.R); {
	case len(raw) > 0 && raw[0] == '[':
		err = json.Unmarshal(raw, &m.RPerLayer)
	case len(raw) > 0 && raw[0] == '{':
		pair := inflected{R: 8}
		if err := strictjson.DecodePart(raw, &pair); err != nil {
			return nil, fmt.Errorf("fusion: r: %w", err)
		}
		m.R, m.Inflection = pair.R, pair.Inflection
	default:
		err = json.Unmarshal(raw, &m.R)
	}
	if err != nil {
		return nil, fmt.Errorf(`fusion: r is %s, want a count, a list with one per layer, or {"r":6,"inflection":-1}`, in.R)
	}
	return m, m.validate(0)
}
