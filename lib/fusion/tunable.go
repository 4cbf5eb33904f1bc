package fusion

import (
	"encoding/json"
	"fmt"
)

// Tunable is a method of one's own with a number that sets how much it reduces, so that flops.Schedule
// finds its setting for a target as it does for built-in methods.
type Tunable struct {
	// Range is the number's name and range.
	Range Knob
	// Value is where it stands, within the range.
	Value float64
	// At makes the method for a value.
	At func(value float64) Custom
}

// Name is the label of the method.
func (m Tunable) Name() string {
	if m.At == nil {
		return ""
	}
	return m.At(m.Value).Label
}

// ProportionalAttention is the method's at the value.
func (m Tunable) ProportionalAttention() bool { return m.At != nil && m.At(m.Value).Proportional }

// Knob is the range.
func (m Tunable) Knob() Knob { return m.Range }

// Adjusted returns the method at another value.
func (m Tunable) Adjusted(value float64) Method {
	m.Value = value
	return m
}

// Step is the step of the method at the value. A method without At or the range's name, or a value out
// of the range, is an error.
func (m Tunable) Step(at Layer) (*Step, error) {
	if m.At == nil || m.Range.Name == "" {
		return nil, fmt.Errorf("fusion: a tunable method needs At, and a Range with a Name")
	}
	if low, high := min(m.Range.None, m.Range.Most), max(m.Range.None, m.Range.Most); !(m.Value >= low && m.Value <= high) {
		return nil, fmt.Errorf("fusion: %s of %s is %v, want %v to %v", m.Range.Name, m.Name(), m.Value, low, high)
	}
	return m.At(m.Value).Step(at)
}

// MarshalJSON writes the label, the layers and the value under the range's name.
func (m Tunable) MarshalJSON() ([]byte, error) {
	if m.At == nil {
		return nil, fmt.Errorf("fusion: a tunable method needs At")
	}
	fields := map[string]any{m.Range.Name: m.Value, "method": m.Name()}
	if layers := m.At(m.Value).Layers; layers != nil {
		fields["layers"] = layers
	}
	return json.Marshal(fields)
}
