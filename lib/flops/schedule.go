package flops

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// Target is a cost to meet.
type Target struct {
	GMACs    float64
	Fraction float64 // of the base model's cost; used where GMACs is 0
}

// ParseTarget reads "2.6" (GMACs) or "56%" (of the base model's cost).
func ParseTarget(text string) (Target, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || !(value > 0) || math.IsInf(value, 0) {
		return Target{}, fmt.Errorf("flops: target is %q, want GMACs such as 2.6, or a share of the base model such as 56%%", text)
	}
	if percent {
		return Target{Fraction: value / 100}, nil
	}
	return Target{GMACs: value}, nil
}

// Schedule finds the setting of a method that meets a target: of the settings that cost no more, the
// one that removes the least, so that methods are compared at equal cost. The knob is r in whole
// tokens, or the keep rate to a thousandth; the method's other fields stay as they are. A target that
// the method cannot meet is an error that says how far it can go.
func Schedule(c vit.Config, method fusion.Method, target Target) (fusion.Method, Count, error) {
	adjustable, ok := method.(fusion.Adjustable)
	if !ok {
		return nil, Count{}, notAdjustable(method)
	}
	base, err := Of(c, fusion.None{})
	if err != nil {
		return nil, Count{}, err
	}
	budget := target.GMACs
	if budget == 0 {
		budget = target.Fraction * base.GMACs
	}
	knob := adjustable.Knob()
	steps := 1000
	if knob.Whole {
		steps = int(math.Abs(knob.Most - knob.None))
	}
	at := func(step int) (fusion.Method, Count, error) {
		value := knob.None + (knob.Most-knob.None)*float64(step)/float64(steps)
		if !knob.Whole {
			value = math.Round(value*1000) / 1000
		}
		m := adjustable.Adjusted(value)
		count, err := Of(c, m)
		return m, count, err
	}
	// first finds the smallest step that costs no more than a budget which the last one meets.
	first := func(budget float64) (fusion.Method, Count, error) {
		low, high := 0, steps
		for low < high {
			middle := (low + high) / 2
			_, count, err := at(middle)
			if err != nil {
				return nil, Count{}, err
			}
			if count.GMACs <= budget {
				high = middle
			} else {
				low = middle + 1
			}
		}
		return at(low)
	}
	_, least, err := at(steps)
	if err != nil {
		return nil, Count{}, err
	}
	if least.GMACs <= budget {
		return first(budget)
	}
	cheapest, _, err := first(least.GMACs)
	if err != nil {
		return nil, Count{}, err
	}
	text, _ := cheapest.MarshalJSON()
	return nil, Count{}, fmt.Errorf("flops: %s cannot bring the model from %.4g to %.4g GMACs: %s costs %.4g", method.Name(), base.GMACs, budget, text, least.GMACs)
}

// notAdjustable says why no setting can be found for a method, and what to do.
func notAdjustable(method fusion.Method) error {
	if _, ok := method.(fusion.ATM); ok {
		return fmt.Errorf("flops: what atm costs depends on the images, which are not looked at here: set alpha yourself, and read the cost of a setting from rows of results, which count it image by image")
	}
	return fmt.Errorf("flops: %s has no number to adjust: give its setting yourself", method.Name())
}
