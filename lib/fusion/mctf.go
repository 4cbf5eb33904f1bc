package fusion

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// MCTF is Multi-criteria Token Fusion with one-step-ahead attention (Lee et al., arXiv 2403.10030,
// CVPR 2024): the pairs to fuse are chosen by similarity, informativeness and size together, matched
// in both directions, pooled by attention and size, and by the attention map of the very layer that
// they enter. The zero value of every field but R is the published setting.
type MCTF struct {
	// R is the number of tokens that each layer removes, or a ratio below 1.
	R float64
	// RPerLayer replaces R by one value per entry of Layers.
	RPerLayer []float64
	// Layers that fuse, counted from 0; nil is all but the first.
	Layers []int
	// Criteria whose product scores the pairs; nil is Similarity(1), Informativeness(20), Size(40).
	Criteria []Criterion
	// Unidirectional lets only A give to B.
	Unidirectional bool
	// Pooling of the tokens that fuse; the zero value is PoolAttention.
	Pooling Pooling
	// OneStepAhead is AheadApproximate (also when empty), AheadPrecise or AfterBlock.
	OneStepAhead Place
	// PlainAttention leaves the sizes out of the attention; they stay in score and pooling.
	PlainAttention bool
	// ProtectedRule is ProtectTokens (also when empty) or ProtectRows.
	ProtectedRule ProtectedRule
}

// ProtectedRule says which tokens `protected` means when there is more than one.
type ProtectedRule string

const (
	// ProtectTokens protects the first tokens of the sequence: class and distillation token.
	ProtectTokens ProtectedRule = "tokens"
	// ProtectRows protects the first rows of set A, that is tokens 0, 2, ..., as the official code does.
	ProtectRows ProtectedRule = "rows"
)

// PublishedCriteria are MCTF's criteria with the published temperatures.
func PublishedCriteria() []Criterion {
	return []Criterion{Similarity(1), Informativeness(20), Size(40)}
}

func (MCTF) Name() string { return "mctf" }

// ProportionalAttention is on unless PlainAttention is set.
func (m MCTF) ProportionalAttention() bool { return !m.PlainAttention }

// Step fuses r tokens in the layers named; see Amount for how r is clamped.
func (m MCTF) Step(at Layer) (*Step, error) {
	if err := m.validate(at.Depth); err != nil {
		return nil, err
	}
	layers := m.Layers
	if layers == nil {
		for l := 1; l < at.Depth; l++ {
			layers = append(layers, l)
		}
	}
	if err := m.amounts().validate("r", len(layers), 0, math.MaxInt32); err != nil {
		return nil, err
	}
	i := slices.Index(layers, at.Index)
	if i < 0 {
		return nil, nil
	}
	r := m.amounts().at(i).count(at.Tokens, at.Protected)
	r = min(r, m.room(at))
	if r == 0 {
		return nil, nil
	}
	countA, countB := (at.Tokens+1)/2, at.Tokens/2
	return &Step{
		Place:     orDefault(m.OneStepAhead, AheadApproximate),
		Remaining: at.Tokens - r,
		Matching:  countA * countB * at.Dim,
		Needs:     []Input{InputAttention},
		Assign:    func(e Evidence) *Assignment { return m.assign(e, at, r) },
	}, nil
}

// room is how many tokens can go without touching a protected one. It binds only for ProtectRows
// with many protected tokens, where the official code would fuse them.
func (m MCTF) room(at Layer) int {
	if m.ProtectedRule != ProtectRows {
		return at.Tokens
	}
	return max(0, (at.Tokens+1)/2-at.Protected)
}

func (m MCTF) assign(e Evidence, at Layer, r int) *Assignment {
	criteria := m.Criteria
	if criteria == nil {
		criteria = PublishedCriteria()
	}
	match := matching{
		scores: scores(criteria, e), tokens: at.Tokens, giveA: r / 2, giveB: r - r/2,
		protected: at.Protected, rows: m.ProtectedRule == ProtectRows, rankB: true,
	}
	if m.Unidirectional {
		match.giveA, match.giveB, match.rankB = r, 0, false
	}
	return match.assign(e, m.pooling())
}

// pooling is the method's pooling, the published one where none is set.
func (m MCTF) pooling() Pooling {
	return m.Pooling.or(PoolAttention())
}

// Knob is r; beyond half of the tokens a layer has no more to give.
func (m MCTF) Knob() Knob { return Knob{Name: "r", Most: 1 << 16, Whole: true} }

// Adjusted replaces R in every layer.
func (m MCTF) Adjusted(r float64) Method {
	m.R, m.RPerLayer = r, nil
	return m
}

func (m MCTF) amounts() amounts { return amountsOf(m.R, m.RPerLayer) }

func (m MCTF) validate(depth int) error {
	for _, c := range m.Criteria {
		if math.IsNaN(c.Tau) || math.IsInf(c.Tau, 0) || c.Tau < 0 {
			return fmt.Errorf("fusion: tau of criterion %q is %v, want 0 (off) or above", c.Name, c.Tau)
		}
	}
	if err := known("one_step_ahead", string(m.OneStepAhead), "approximate", "precise", "off"); err != nil {
		return err
	}
	if err := known("protected_rule", string(m.ProtectedRule), "tokens", "rows"); err != nil {
		return err
	}
	return validateLayers(m.Layers, depth)
}

// mctfJSON is MCTF in FUSION.json.
type mctfJSON struct {
	Method        string             `json:"method"`
	R             amounts            `json:"r"`
	Layers        []int              `json:"layers,omitzero"`
	Tau           map[string]float64 `json:"tau"`
	Bidirectional bool               `json:"bidirectional"`
	Pooling       string             `json:"pooling"`
	OneStepAhead  Place              `json:"one_step_ahead"`
	Proportional  bool               `json:"proportional_attention"`
	ProtectedRule ProtectedRule      `json:"protected_rule,omitempty"`
}

// MarshalJSON writes FUSION.json; criteria of one's own appear under their names in `tau`.
func (m MCTF) MarshalJSON() ([]byte, error) {
	out := mctfJSON{
		Method: "mctf", R: m.amounts(), Layers: m.Layers, Tau: map[string]float64{},
		Bidirectional: !m.Unidirectional, Pooling: m.pooling().Name,
		OneStepAhead: orDefault(m.OneStepAhead, AheadApproximate), Proportional: !m.PlainAttention,
		ProtectedRule: m.ProtectedRule,
	}
	criteria := m.Criteria
	if criteria == nil {
		criteria = PublishedCriteria()
	}
	for _, c := range criteria {
		out.Tau[c.Name] = c.Tau
	}
	return json.Marshal(out)
}

func parseMCTF(data []byte) (Method, error) {
	in := mctfJSON{R: amounts{16}, Bidirectional: true, Proportional: true}
	if err := strict(data, &in); err != nil {
		return nil, err
	}
	tau := map[string]float64{"similarity": 1, "informativeness": 20, "size": 40}
	for name, value := range in.Tau {
		if _, ok := tau[name]; !ok {
			return nil, unknown("criterion in tau", name, []string{"similarity", "informativeness", "size"})
		}
		tau[name] = value
	}
	pooling, err := poolingOf(in.Pooling)
	if err != nil {
		return nil, err
	}
	m := MCTF{
		Layers: in.Layers, Unidirectional: !in.Bidirectional, Pooling: pooling,
		OneStepAhead: in.OneStepAhead, PlainAttention: !in.Proportional, ProtectedRule: in.ProtectedRule,
		Criteria: []Criterion{Similarity(tau["similarity"]), Informativeness(tau["informativeness"]), Size(tau["size"])},
	}
	m.R, m.RPerLayer = in.R.fields()
	layers := len(in.Layers)
	if in.Layers == nil {
		layers = len(in.R) // compared once the depth is known
	}
	if err := m.amounts().validate("r", layers, 0, math.MaxInt32); err != nil {
		return nil, err
	}
	return m, m.validate(0)
}
