// Package fusion reduces the tokens of a Vision Transformer, layer by layer: MCTF, ToMe and the
// methods they are compared with. It knows tokens, not images or models.
//
// A [Method] says, for a layer that so many tokens enter, what it does there: a [Step], with a static
// count of tokens left. When the graph is built the step looks at the [Evidence] of the layer and
// decides once who fuses with whom, an [Assignment]; tokens, sizes, source maps and attention maps
// all go through that one decision. One file per method: mctf.go, tome.go, evit.go.
//
// Axis letters: b batch, t tokens, f fused tokens, d dim. Set A are the tokens at even positions,
// set B those at odd ones.
package fusion

import (
	"encoding/json"

	. "github.com/gomlx/gomlx/core/graph"
)

// Method reduces tokens in the blocks of a model. Its JSON form is FUSION.json.
type Method interface {
	json.Marshaler

	// Name is the method's name in FUSION.json and in results: "mctf".
	Name() string

	// Step says what the method does in one layer; nil means nothing, the plain block. An error is
	// a setting that does not fit the model, such as a layer it does not have.
	Step(at Layer) (*Step, error)

	// ProportionalAttention reports whether attention adds the logarithm of the token size to its
	// logits wherever sizes are known.
	ProportionalAttention() bool
}

// Layer is what a method may know of a layer before any token is seen.
type Layer struct {
	Index     int // counted from 0
	Depth     int // number of layers of the model
	Tokens    int // tokens that enter the layer
	Protected int // leading tokens that must stay as they are: class and distillation tokens
	Dim       int // of a token
	Heads     int
}

// Place says where in a block the tokens are reduced.
type Place string

const (
	// AheadApproximate fuses before the block by the block's own attention map, taken from the
	// tokens before fusion, and applies the fused map to values of the fused tokens.
	AheadApproximate Place = "approximate"
	// AheadPrecise fuses before the block as AheadApproximate does, and computes attention again.
	AheadPrecise Place = "precise"
	// BetweenAttentionAndMLP fuses after the attention's residual connection.
	BetweenAttentionAndMLP Place = "between"
	// AfterBlock fuses what leaves the block, by the block's attention map.
	AfterBlock Place = "off"
)

// Step is what a method does in one layer.
type Step struct {
	Place     Place
	Remaining int // tokens left
	Matching  int // multiply-accumulates of the method's own matching, for one image

	// Assign decides who fuses with whom. It runs while the graph is built.
	Assign func(Evidence) *Assignment
}

// Evidence is what a layer knows of its tokens when it decides. A nil field is not known there.
type Evidence struct {
	X         *Node // tokens, the residual stream, [batch, tokens, dim]
	Attention *Node // map of the layer, [batch, heads, tokens, tokens]
	Received  *Node // attention received by each token, mean over heads and queries, [batch, tokens]
	FromClass *Node // attention paid by the class token, mean over heads, [batch, tokens]
	Keys      *Node // keys averaged over heads, [batch, tokens, dim/heads]
	Size      *Node // patches fused into each token, [batch, tokens, 1]; nil before the first fusion
}

// sizes returns the token sizes [batch, tokens, 1], ones where nothing was fused yet.
func (e Evidence) sizes() *Node {
	if e.Size != nil {
		return e.Size
	}
	return Ones(e.X.Graph(), shapeOf(e.X, 1))
}

// None is the base model: no token is fused.
type None struct{}

func (None) Name() string                 { return "none" }
func (None) Step(Layer) (*Step, error)    { return nil, nil }
func (None) ProportionalAttention() bool  { return false }
func (None) MarshalJSON() ([]byte, error) { return []byte(`{"method":"none"}`), nil }
