// Package flops counts the multiply-accumulates of a model under a fusion method.
//
// The unit is the papers': one multiply-accumulate is one, what they print as FLOPs. Counted are, as
// by fvcore, the matrix products and convolutions, the matching of the method, layer norms as 5 per
// element and batch norms as 2; nothing else.
package flops

import (
	"encoding/json"
	"fmt"
	"slices"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// Count is the cost of one image.
type Count struct {
	Model    string          `json:"model,omitempty"`
	Fusion   json.RawMessage `json:"fusion,omitempty"`
	Layers   []Layer         `json:"layers"`
	Embed    int             `json:"patch_embedding_macs"` // everything before the first block
	Head     int             `json:"head_macs"`            // last norm and heads
	Matching int             `json:"matching_macs"`
	Total    int             `json:"total_macs"`
	GMACs    float64         `json:"gmacs"`
	// Bound says that the number of tokens depends on the image, and the counts are the most there can be.
	Bound bool `json:"bound,omitempty"`
}

// Layer is the cost of one block.
type Layer struct {
	Index    int `json:"layer"`
	Entering int `json:"tokens_entering"`
	Leaving  int `json:"tokens_leaving"`
	MACs     int `json:"macs"`
	Matching int `json:"matching_macs"` // the part of MACs that chooses the tokens to fuse
}

// Of counts a model's configuration under a method. Where the number of tokens depends on the image it
// counts the most there can be, which is also what is computed; see Given.
func Of(c vit.Config, method fusion.Method) (Count, error) {
	steps, counts, err := vit.Plan(c, method)
	if err != nil {
		return Count{}, err
	}
	out, err := Given(c, method, counts)
	out.Bound = slices.ContainsFunc(steps, func(s *fusion.Step) bool { return s != nil && s.Adaptive })
	return out, err
}

// Given counts a model under a method for an image of which so many tokens leave each layer, as
// Classifier.Classify reports them for adaptive methods: what it would cost were nothing spent on
// tokens that are absent.
func Given(c vit.Config, method fusion.Method, leaving []int) (Count, error) {
	if len(leaving) != c.Depth {
		return Count{}, fmt.Errorf("flops: tokens of %d layers, the model has %d", len(leaving), c.Depth)
	}
	out := Count{Embed: c.StemMACs()}
	tokens := c.Tokens()
	for i, left := range leaving {
		step, err := method.Step(c.Layer(i, tokens))
		if err != nil {
			return Count{}, err
		}
		layer := Layer{Index: i, Entering: tokens, Leaving: left, MACs: block(c, step, tokens, left)}
		if step != nil {
			layer.Matching = step.Matching
			layer.MACs += step.Matching
		}
		out.Layers = append(out.Layers, layer)
		out.Matching += layer.Matching
		out.Total += layer.MACs
		tokens = left
	}
	out.Head = c.HeadMACs(tokens)
	out.Total += out.Embed + out.Head
	out.GMACs = float64(out.Total) / 1e9
	return out, nil
}

// block is one transformer block that n tokens enter and m leave, without the matching.
func block(c vit.Config, step *fusion.Step, n, m int) int {
	d := c.Dim
	// maps: queries, keys and their product over n tokens; values: projected, mixed over n tokens.
	maps := func(n int) int { return norm(n, d) + 2*n*d*d + n*n*d }
	values := func(n int) int { return n*d*d + n*n*d }
	project := func(n int) int { return n * d * d }
	mlp := func(n int) int { return norm(n, d) + 2*n*d*c.Hidden() }
	place := fusion.Place("")
	if step != nil {
		place = step.Place
	}
	switch place {
	case fusion.BeforeBlock:
		return maps(m) + values(m) + project(m) + mlp(m)
	case fusion.AheadApproximate:
		return maps(n) + norm(m, d) + values(m) + project(m) + mlp(m)
	case fusion.AheadPrecise:
		return maps(n) + maps(m) + values(m) + project(m) + mlp(m)
	case fusion.BetweenAttentionAndMLP:
		return maps(n) + values(n) + project(n) + mlp(m)
	}
	return maps(n) + values(n) + project(n) + mlp(n)
}

// norm is a layer norm, 5 per element as fvcore counts it.
func norm(tokens, dim int) int { return 5 * tokens * dim }
