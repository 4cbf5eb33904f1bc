package fusion

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

// EViT keeps the patches that the class token attends to (Liang et al., arXiv 2202.07800, ICLR 2022,
// figure 2; official code youweiliang/evit, evit.py, Block): ceil(rate * patches) tokens in descending
// class attention, which is the a of eq. 1 averaged over the heads ("Attentive token identification").
// The others fuse into one token, their sum weighted by that attention, not divided by it ("Inattentive
// token fusion"), which goes last and is from then on a token like any other.
type EViT struct {
	// KeepRate is the share of patches that a layer keeps.
	KeepRate float64
	// KeepRatePerLayer replaces KeepRate by one value per entry of Layers.
	KeepRatePerLayer []float64
	// Layers that reduce, counted from 0; nil is 3, 6, 9 of 12, and so on for other depths.
	Layers []int
	// Drop loses the inattentive tokens instead of fusing them; table 2 of the paper compares the two.
	Drop bool
}

func (EViT) Name() string                { return "evit" }
func (EViT) ProportionalAttention() bool { return false }

func (m EViT) layers(depth int) []int { return keepOfFirst{layers: m.Layers}.where(depth) }

func (m EViT) rates() amounts { return amountsOf(m.KeepRate, m.KeepRatePerLayer) }

// Step keeps the attentive tokens; it needs a class token. Where nothing would be dropped nothing
// happens.
func (m EViT) Step(at Layer) (*Step, error) {
	if err := m.validate(at.Depth); err != nil {
		return nil, err
	}
	i := slices.Index(m.layers(at.Depth), at.Index)
	if i < 0 {
		return nil, nil
	}
	if err := needClass("evit", at); err != nil {
		return nil, err
	}
	patches := at.Tokens - at.Protected
	keep := int(math.Ceil(float64(m.rates().at(i)) * float64(patches)))
	if keep >= patches {
		return nil, nil
	}
	remaining := at.Protected + keep
	if !m.Drop {
		remaining++
	}
	return &Step{
		Place:     BetweenAttentionAndMLP,
		Remaining: remaining,
		Needs:     []Input{InputAttention},
		Assign: func(e Evidence) *Assignment {
			a := Keep(e.FromClass, at.Protected, keep)
			if m.Drop {
				return a
			}
			dropped := LessThan(a.Slot(), ZerosLike(a.Slot()))
			last := AddScalar(ZerosLike(a.Slot()), remaining-1)
			return FuseSum(Where(dropped, last, a.Slot()), Where(dropped, e.FromClass, OnesLike(a.Slot())), remaining).withoutGaps()
		},
	}, nil
}

// Knob is the keep rate.
func (m EViT) Knob() Knob { return keepRateKnob() }

// Adjusted replaces the keep rate of every layer.
func (m EViT) Adjusted(rate float64) Method {
	m.KeepRate, m.KeepRatePerLayer = rate, nil
	return m
}

// needClass reports a model without the class token that a method ranks by.
func needClass(method string, at Layer) error {
	if at.Protected == 0 {
		return fmt.Errorf("fusion: %s ranks tokens by the attention of the class token, which this model does not have", method)
	}
	return nil
}

func (m EViT) validate(depth int) error {
	if err := m.rates().validate("keep_rate", len(m.layers(depth)), 0, 1); err != nil {
		return err
	}
	return validateLayers(m.layers(depth), depth)
}

type evitJSON struct {
	Method   string  `json:"method"`
	KeepRate amounts `json:"keep_rate"`
	Layers   []int   `json:"layers,omitzero"`
	Fuse     bool    `json:"fuse_inattentive"`
}

func (m EViT) MarshalJSON() ([]byte, error) {
	return json.Marshal(evitJSON{"evit", m.rates(), m.Layers, !m.Drop})
}

func parseEViT(data []byte) (Method, error) {
	in := evitJSON{KeepRate: amounts{0.7}, Fuse: true}
	if err := strict(data, &in); err != nil {
		return nil, err
	}
	m := EViT{Layers: in.Layers, Drop: !in.Fuse}
	m.KeepRate, m.KeepRatePerLayer = in.KeepRate.fields()
	return m, m.validate(0)
}
