package fusion

import (
	"math"
	"slices"
)

// keepOfFirst is the schedule of methods that count what they keep in patches of the image. One rate
// keeps first*rate patches at the first of the layers, first*rate^2 at the second, and so on; a rate per
// layer keeps first*rate there. The product is rounded down (DynamicViT, arXiv 2106.02034, section 3.4;
// the P r^s of arXiv 2308.04657, section 3.1, for all methods with a set number of tokens, in its code).
type keepOfFirst struct {
	rates  amounts
	layers []int // nil is quarters
}

// quarters are the layers in which most methods reduce unless they are told: where a quarter, half and
// three quarters of a model's layers are behind. That is 3, 6, 9 of 12, the published ones (DynamicViT,
// section 3.1: before the 4th, 7th and 10th), and 4, 8, 12 of 16, those of DynamicViT in LV-ViT-S. Depth
// 0, not known yet, counts as 12.
func quarters(depth int) []int {
	if depth == 0 {
		depth = 12
	}
	return slices.Compact([]int{depth / 4, depth / 2, 3 * depth / 4})
}

func (k keepOfFirst) where(depth int) []int {
	if k.layers == nil {
		return quarters(depth)
	}
	return k.layers
}

// at returns how many patches a layer keeps, and which of the schedule's layers it is, counted from 0
// in the order they run, by which learned weights are numbered. Keep is 0 where nothing happens: in
// other layers, and where no more patches enter than would be kept. Where the rate would leave none,
// one is kept.
func (k keepOfFirst) at(at Layer) (stage, keep int, err error) {
	if err := k.validate(at.Depth); err != nil {
		return 0, 0, err
	}
	stage, keep = k.planned(at)
	if keep >= at.Tokens-at.Protected {
		keep = 0
	}
	return stage, keep, nil
}

// planned is at for valid schedules, whatever enters the layer.
func (k keepOfFirst) planned(at Layer) (stage, keep int) {
	i := slices.Index(k.where(at.Depth), at.Index)
	if i < 0 {
		return 0, 0
	}
	for _, layer := range k.where(at.Depth) {
		if layer < at.Index {
			stage++
		}
	}
	first := at.Rows * at.Cols
	if first == 0 {
		first = at.Tokens - at.Protected // outside a model: a single step is the first
	}
	rate := float64(k.rates.at(i))
	if len(k.rates) == 1 {
		rate = math.Pow(rate, float64(stage+1))
	}
	return stage, max(1, int(float64(first)*rate))
}

func (k keepOfFirst) validate(depth int) error {
	if err := k.rates.validate("keep_rate", len(k.where(depth)), 0, 1); err != nil {
		return err
	}
	return validateLayers(k.where(depth), depth)
}

// keepRateKnob is the knob of every method with a keep rate.
func keepRateKnob() Knob { return Knob{Name: "keep_rate", None: 1} }

// keepJSON is the FUSION.json of a method that has a keep rate, layers, and nothing else to set.
type keepJSON struct {
	Method   string  `json:"method"`
	KeepRate amounts `json:"keep_rate"`
	Layers   []int   `json:"layers,omitzero"`
}

// parseKeep reads a keepJSON whose keep_rate, if left out, is the published one.
func parseKeep(data []byte, published Amount) (k keepOfFirst, err error) {
	in := keepJSON{KeepRate: amounts{published}}
	if err := strict(data, &in); err != nil {
		return k, err
	}
	k = keepOfFirst{in.KeepRate, in.Layers}
	return k, k.validate(0)
}
