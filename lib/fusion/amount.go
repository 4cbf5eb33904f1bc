package fusion

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Amount is how many tokens a layer removes: a count, or a ratio below 1 of the tokens that are not
// protected.
type Amount float64

// count turns an amount into the number of tokens that a layer of MCTF removes, as the official code
// does and in its order: if fewer than 10 tokens would be left the amount becomes tokens-10 (the raw
// value is compared, so a ratio is caught only where there are 10 tokens or fewer); a ratio becomes
// trunc((tokens-protected) * ratio); at most half of the unprotected tokens go. Below 10 tokens
// nothing is fused.
func (r Amount) count(tokens, protected int) int {
	const floor = 10
	amount := float64(r)
	if float64(tokens)-amount < floor {
		amount = float64(tokens - floor)
	}
	if amount > 0 && amount < 1 {
		amount = math.Trunc(float64(tokens-protected) * amount)
	}
	return max(0, min(int(amount), (tokens-protected)/2))
}

// amounts is `r` in FUSION.json: one value, or one per layer named.
type amounts []Amount

// amountsOf joins the two ways in which a method's fields state its amounts.
func amountsOf(one float64, perLayer []float64) amounts {
	if perLayer == nil {
		return amounts{Amount(one)}
	}
	all := make(amounts, len(perLayer))
	for i, r := range perLayer {
		all[i] = Amount(r)
	}
	return all
}

// fields is the inverse of amountsOf.
func (r amounts) fields() (one float64, perLayer []float64) {
	if len(r) == 1 {
		return float64(r[0]), nil
	}
	for _, v := range r {
		perLayer = append(perLayer, float64(v))
	}
	return 0, perLayer
}

func (r *amounts) UnmarshalJSON(data []byte) error {
	var one float64
	if err := json.Unmarshal(data, &one); err == nil {
		*r = amounts{Amount(one)}
		return nil
	}
	var many []float64
	if err := json.Unmarshal(data, &many); err != nil || len(many) == 0 {
		return fmt.Errorf("want a number or one per layer (in a SPEC 0.7,0.6, in FUSION.json [0.7,0.6]), got %s", data)
	}
	*r = nil
	for _, v := range many {
		*r = append(*r, Amount(v))
	}
	return nil
}

func (r amounts) MarshalJSON() ([]byte, error) {
	if len(r) == 1 {
		return json.Marshal(float64(r[0]))
	}
	return json.Marshal([]Amount(r))
}

// at returns the value for the i-th of n layers.
func (r amounts) at(i int) Amount {
	if len(r) == 1 {
		return r[0]
	}
	return r[i]
}

// validate checks values against a range; a highest value above 1 stands for counts of tokens, which are
// whole from 1 on.
func (r amounts) validate(name string, layers int, low, high float64) error {
	if len(r) > 1 && len(r) != layers {
		return fmt.Errorf("fusion: %s has %d values for %d layers: give one value, or one per layer (in a SPEC: %s=0.7,0.6; in FUSION.json: [0.7,0.6])", name, len(r), layers, name)
	}
	for _, v := range r {
		switch f := float64(v); {
		case math.IsNaN(f) || f < low || f > high:
			return fmt.Errorf("fusion: %s is %v, want %s to %s", name, f, plain(low), plain(high))
		case f > 1 && f != math.Trunc(f):
			return fmt.Errorf("fusion: %s is %v, which is no whole number of tokens: want a share below 1, or a count", name, f)
		}
	}
	return nil
}

// plain prints a number without an exponent.
func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// everyLayer returns a list of layers in which nil stands for all of them.
func everyLayer(layers []int, depth int) []int {
	if layers != nil {
		return layers
	}
	all := make([]int, depth)
	for l := range all {
		all[l] = l
	}
	return all
}

// mostLayers is more than any model has. It bounds what a list of layers may cost.
const mostLayers = 1024

// validateLayers checks a list of layer numbers against a depth; depth 0 means not known yet.
func validateLayers(layers []int, depth int) error {
	if len(layers) > mostLayers {
		return fmt.Errorf("fusion: %d layers are named, want at most %d", len(layers), mostLayers)
	}
	for i, l := range layers {
		if l < 0 {
			return fmt.Errorf("fusion: layer %d: layers count from 0", l)
		}
		if depth > 0 && l >= depth {
			return fmt.Errorf("fusion: layer %d of a model with %d layers: layers count from 0 to %d", l, depth, depth-1)
		}
		if slices.Contains(layers[:i], l) {
			return fmt.Errorf("fusion: layer %d is named twice", l)
		}
	}
	return nil
}
