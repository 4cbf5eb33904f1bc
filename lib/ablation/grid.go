package ablation

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tokenfuse/datasets"
	"tokenfuse/lib/flops"
	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// Grid is a study: every model under every method, at every setting or cost, on all the data, with every
// seed. It is a value for a notebook, and the JSON or YAML that ParseGrid reads:
//
//	{"models": ["vit_fmnist_patch4_28", {"model": "small.json", "weights": "out/small-{seed}.safetensors"}],
//	 "methods": ["none", "tome", {"fusion": "mctf", "vary": {"pooling": ["size", "mean"]}}],
//	 "targets": ["80%", "60%"],
//	 "data": [{"dataset": "fashion-mnist", "first": 2000}],
//	 "seeds": [0, 1, 2]}
//
// Grid.Cells are its experiments.
type Grid struct {
	Models  []GridModel  `json:"models"`
	Methods []GridMethod `json:"methods"`
	// Targets are costs at which to compare the methods, in GMACs ("2.6") or shares of the base model's
	// ("60%"): flops.Schedule finds the settings. Without any, methods are taken as they are set. The base
	// model, which has nothing to set, is always taken once.
	Targets []string   `json:"targets,omitempty"`
	Data    []GridData `json:"data"`
	// Seeds choose weights (the {seed} of their file's name, or untrained ones) and what methods draw at
	// random; without any, 0. Where a seed changes nothing, there is one cell for all, of the first:
	// the same numbers once more would be taken for certainty.
	Seeds []int64 `json:"seeds,omitempty"`
}

// GridModel is a model and its weights; in a file, a name alone will do.
type GridModel struct {
	// Model is a name (see vit.Models), or the path of a CONFIG.json. Paths are as for a command: from
	// the working directory.
	Model string `json:"model"`
	// Weights is a file of weights, in whose name {seed} stands for the seed, or "untrained"; empty, the
	// model's own.
	Weights string `json:"weights,omitempty"`
	// Label names the model in rows; empty, its name or that of its file.
	Label string `json:"label,omitempty"`
	// Methods, if not nil, are instead of the grid's: those that the weights were trained under.
	Methods []GridMethod `json:"methods,omitempty"`
	// Value is a model in memory, in place of the above.
	Value *vit.Model `json:"-"`
}

// GridMethod is a method and its settings; in a file, a SPEC or FUSION.json alone will do.
type GridMethod struct {
	// Fusion is FUSION.json, or a SPEC as a JSON string.
	Fusion json.RawMessage `json:"fusion"`
	// Label names the method in rows; empty, the method's name with what Vary set.
	Label string `json:"label,omitempty"`
	// Vary lists values for fields of Fusion ("r", "tau.size"); every combination is a setting.
	Vary map[string][]any `json:"vary,omitempty"`
	// Targets, if not nil, are instead of the grid's; if empty, the method is taken as it is set.
	Targets []string `json:"targets,omitempty"`
	// Value is a method in place of Fusion and Vary. What it writes as JSON must tell it from others;
	// of fusion.Custom that is its label.
	Value fusion.Method `json:"-"`
}

// Untrained are the weights of a model that was not trained: random ones, by the seed.
const Untrained = "untrained"

const seedPlace = "{seed}"

// Methods returns a grid's methods out of values.
func Methods(methods ...fusion.Method) []GridMethod {
	all := make([]GridMethod, len(methods))
	for i, m := range methods {
		all[i] = GridMethod{Value: m}
	}
	return all
}

// On returns a grid's data out of sources in memory.
func On(sources ...datasets.Source) []GridData {
	all := make([]GridData, len(sources))
	for i, s := range sources {
		all[i] = GridData{Source: s}
	}
	return all
}

// Validate returns an error for what no cell could be made of; whether methods and models fit is only
// known of each cell, and is then its result.
func (g Grid) Validate() error {
	switch {
	case len(g.Models) == 0:
		return errors.New(`ablation: the grid has no models: give "models"`)
	case slices.ContainsFunc(g.Models, func(m GridModel) bool { return len(g.methods(m)) == 0 }):
		return errors.New(`ablation: the grid has no methods: give "methods"`)
	case len(g.Data) == 0:
		return errors.New(`ablation: the grid has no data: give "data"`)
	}
	for _, m := range g.Models {
		if m.Value == nil && m.Model == "" {
			return errors.New(`ablation: a model without a name: give "model"`)
		}
		if !strings.Contains(m.Weights, seedPlace) && strings.ContainsAny(m.Weights, "{}") {
			return fmt.Errorf("ablation: weights are %q: the seed is written {seed}", m.Weights)
		}
	}
	targets := slices.Clone(g.Targets)
	methods := slices.Clone(g.Methods)
	for _, m := range g.Models {
		methods = append(methods, m.Methods...)
	}
	for _, m := range methods {
		targets = append(targets, m.Targets...)
		for field, values := range m.Vary {
			if len(values) == 0 {
				return fmt.Errorf("ablation: %s varies over no values: list some, or leave it out", field)
			}
		}
	}
	for _, target := range targets {
		if _, err := flops.ParseTarget(target); err != nil {
			return err
		}
	}
	seen := map[int64]bool{}
	for _, seed := range g.Seeds {
		if seen[seed] {
			return fmt.Errorf("ablation: seed %d is there twice", seed)
		}
		seen[seed] = true
	}
	if cells := g.count(); cells > mostCells {
		return fmt.Errorf("ablation: the grid has %.3g cells, want at most %d: divide it", cells, mostCells)
	}
	for _, d := range g.Data {
		if err := d.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// mostCells bounds a grid, of which a few values varied together could ask for all the memory.
const mostCells = 1_000_000

// count is the number of cells before those that are the same are joined.
func (g Grid) count() float64 {
	settings := 0.0
	for _, model := range g.Models {
		for _, m := range g.methods(model) {
			product := float64(max(1, len(g.targets(m))))
			for _, values := range m.Vary {
				product *= float64(len(values))
			}
			settings += product
		}
	}
	return settings * float64(len(g.Data)) * float64(len(g.seeds()))
}

// methods are those that a model is evaluated under.
func (g Grid) methods(m GridModel) []GridMethod {
	if m.Methods != nil {
		return m.Methods
	}
	return g.Methods
}

// targets are the costs at which a method is evaluated; none, it is taken as it is set.
func (g Grid) targets(m GridMethod) []string {
	if m.Targets != nil {
		return m.Targets
	}
	return g.Targets
}

func (g Grid) seeds() []int64 {
	if len(g.Seeds) == 0 {
		return []int64{0}
	}
	return g.Seeds
}
