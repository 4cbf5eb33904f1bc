package ablation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tokenfuse/lib/flops"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/result"
	"tokenfuse/lib/vit"
)

// plan is a method at one setting, for a model.
type plan struct {
	method fusion.Method
	label  string
	target string
	misfit error // why there is no setting that meets the target
	seeded bool  // draws at random, by the cell's seed
}

// plans returns the settings of a model's methods, in the order of the grid.
func (g Grid) plans(m GridModel, c vit.Config) (all []plan, err error) {
	for _, entry := range g.methods(m) {
		settings, err := entry.settings()
		if err != nil {
			return nil, err
		}
		targets := g.targets(entry)
		for _, s := range settings {
			if _, base := s.method.(fusion.None); base || len(targets) == 0 {
				all = append(all, s)
				continue
			}
			for _, target := range targets {
				all = append(all, s.at(target, c))
			}
		}
	}
	return all, nil
}

// at is the plan with the setting that meets a target.
func (p plan) at(target string, c vit.Config) plan {
	p.target = target
	t, err := flops.ParseTarget(target)
	if err != nil {
		p.misfit = err
		return p
	}
	found, _, err := flops.Schedule(c, p.method, t)
	if err != nil {
		p.misfit = err
		return p
	}
	p.method = found
	return p
}

// settings are the method with every combination of what is varied.
func (m GridMethod) settings() ([]plan, error) {
	if m.Value != nil {
		return []plan{{method: m.Value, label: methodLabel(m.Label, m.Value)}}, nil
	}
	text, err := m.fusionJSON()
	if err != nil {
		return nil, err
	}
	var all []plan
	for _, values := range combinations(m.Vary) {
		fields, err := fieldsOf(text)
		if err != nil {
			return nil, err
		}
		_, own := fields["seed"]
		for key, value := range values {
			own = own || key == "seed"
			set(fields, key, value)
		}
		whole, err := json.Marshal(fields)
		if err != nil {
			return nil, fmt.Errorf("ablation: %w", err)
		}
		method, err := fusion.ParseJSON(whole)
		if err != nil {
			return nil, err
		}
		all = append(all, plan{method: method, label: label(methodLabel(m.Label, method), values), seeded: !own && draws(method)})
	}
	return all, nil
}

func (m GridMethod) fusionJSON() ([]byte, error) {
	if !isWord(m.Fusion) {
		return m.Fusion, nil
	}
	var spec string
	if err := json.Unmarshal(m.Fusion, &spec); err != nil {
		return nil, fmt.Errorf("ablation: fusion: %w", err)
	}
	return fusion.SpecJSON(spec)
}

// combinations of values, one of each key; the last key, in alphabetical order, changes fastest.
func combinations(vary map[string][]any) []map[string]any {
	all := []map[string]any{{}}
	for _, key := range slices.Sorted(maps.Keys(vary)) {
		var longer []map[string]any
		for _, chosen := range all {
			for _, value := range vary[key] {
				with := maps.Clone(chosen)
				with[key] = value
				longer = append(longer, with)
			}
		}
		all = longer
	}
	return all
}

// set puts a value into the fields of FUSION.json; "tau.size" is size in tau.
func set(fields map[string]any, key string, value any) {
	if outer, inner, nested := strings.Cut(key, "."); nested {
		within, _ := fields[outer].(map[string]any)
		if within == nil {
			within = map[string]any{}
		}
		within[inner] = value
		fields[outer] = within
		return
	}
	fields[key] = value
}

// methodLabel is empty for the base model, which package result names itself.
func methodLabel(given string, m fusion.Method) string {
	if _, base := m.(fusion.None); base {
		return given
	}
	return orLabel(given, m.Name())
}

// label adds what was varied, save for how much is fused: that is a place on the method's line.
func label(name string, values map[string]any) string {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !result.IsStrength(key) {
			text, _ := json.Marshal(values[key]) // it was read from JSON
			name += " " + key + "=" + strings.Trim(string(text), `"`)
		}
	}
	return name
}

// draws reports whether a method draws at random by a seed among its fields.
func draws(m fusion.Method) bool {
	text, err := m.MarshalJSON()
	if err != nil {
		return false
	}
	fields, err := fieldsOf(text)
	_, seeded := fields["seed"]
	return err == nil && seeded
}

func fieldsOf(text []byte) (map[string]any, error) {
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		return nil, fmt.Errorf("ablation: fusion %s: %w", text, err)
	}
	return fields, nil
}

// adopt puts the plan's method into the cell, with the cell's seed where the method draws by it.
func (c *Cell) adopt(p plan) error {
	c.Method, c.Misfit, c.Target, c.Label = p.method, p.misfit, p.target, p.label
	text, err := p.method.MarshalJSON()
	if err != nil {
		return fmt.Errorf("ablation: %w", err)
	}
	if p.seeded {
		fields, err := fieldsOf(text)
		if err != nil {
			return err
		}
		fields["seed"] = c.Seed
		if text, err = json.Marshal(fields); err != nil {
			return fmt.Errorf("ablation: %w", err)
		}
		if c.Method, err = fusion.ParseJSON(text); err != nil {
			return err
		}
	}
	c.Fusion = text
	return nil
}
