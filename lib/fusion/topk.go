package fusion

import "encoding/json"

// ClassTopK keeps the patches that the class token attends to most, in descending order, and drops the
// others: "Top-K", the surprisingly strong baseline of "Which Tokens to Use?" (Haurum et al., arXiv
// 2308.04657, ICCV 2023 workshops, section 3.1; official code JoakimHaurum/TokenReduction,
// models/topk.py). Between attention and MLP, by the attention averaged over the heads.
//
// It is EViT without the fused token, but counts by the patches of the image and rounds down: at a rate
// of 0.7 it leaves 137, 96 and 67 of 196 patches, EViT{Drop: true} 138, 97 and 68. At least one patch
// stays. The official code fixes the image's patches to 196, and crashes where a layer has nothing to
// drop; there nothing happens here.
type ClassTopK struct {
	// KeepRate is the share of patches that the first of the layers leaves; of as many as the image has
	// the second leaves its square, the third its cube, rounded down, but never fewer than one.
	KeepRate float64
	// KeepRatePerLayer replaces KeepRate by one share of the image's patches per entry of Layers.
	KeepRatePerLayer []float64
	// Layers that reduce, counted from 0; nil is 3, 6, 9 of 12, and so on for other depths.
	Layers []int
}

func (ClassTopK) Name() string                { return "topk" }
func (ClassTopK) ProportionalAttention() bool { return false }

func (m ClassTopK) schedule() keepOfFirst {
	return keepOfFirst{amountsOf(m.KeepRate, m.KeepRatePerLayer), m.Layers}
}

// Step keeps the most attended patches; it needs a class token.
func (m ClassTopK) Step(at Layer) (*Step, error) {
	_, keep, err := m.schedule().at(at)
	if err != nil || keep == 0 {
		return nil, err
	}
	if err := needClass("topk", at); err != nil {
		return nil, err
	}
	return &Step{
		Place:     BetweenAttentionAndMLP,
		Remaining: at.Protected + keep,
		Needs:     []Input{InputAttention},
		Assign:    func(e Evidence) *Assignment { return Keep(e.FromClass, at.Protected, keep) },
	}, nil
}

// Knob is the keep rate.
func (ClassTopK) Knob() Knob { return keepRateKnob() }

// Adjusted replaces the keep rate of every layer.
func (m ClassTopK) Adjusted(rate float64) Method {
	m.KeepRate, m.KeepRatePerLayer = rate, nil
	return m
}

func (m ClassTopK) MarshalJSON() ([]byte, error) {
	return json.Marshal(keepJSON{"topk", m.schedule().rates, m.Layers})
}

func parseTopK(data []byte) (Method, error) {
	k, err := parseKeep(data, 0.7)
	m := ClassTopK{Layers: k.layers}
	m.KeepRate, m.KeepRatePerLayer = k.rates.fields()
	return m, err
}
