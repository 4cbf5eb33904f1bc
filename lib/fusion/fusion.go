// Package fusion reduces the tokens of a Vision Transformer, layer by layer: MCTF, ToMe and the
// methods they are compared with. It knows tokens, not images or models.
//
// A [Method] says, for a layer that so many tokens enter, what it does there: a [Step], with a static
// count of tokens left. When the graph is built the step looks at the [Evidence] of the layer and
// decides once who fuses with whom, an [Assignment]; tokens, sizes, source maps and attention maps
// all go through that one decision. One file per method: mctf.go, tome.go, evit.go, ...
//
// A method, criterion or pooling of one's own is a value like the built-in ones: see the examples of
// [Method], [Criterion] and [Pooling].
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

// Adjustable is a method whose amount of reduction is one number, so that methods can be compared at
// equal cost.
type Adjustable interface {
	Method

	// Knob is that number: r, or the keep rate.
	Knob() Knob

	// Adjusted returns the method with the knob at a value within its range.
	Adjusted(value float64) Method
}

// Knob is the range of the number that sets how much a method reduces.
type Knob struct {
	Name  string  // the field of FUSION.json: "r", "keep_rate"
	None  float64 // the value at which no token is removed
	Most  float64 // the value at which most tokens are; less than None for keep rates
	Whole bool    // only whole numbers make sense
}

// Layer is what a method may know of a layer before any token is seen.
type Layer struct {
	Index     int // counted from 0
	Depth     int // number of layers of the model
	Tokens    int // tokens that enter the layer
	Protected int // leading tokens that must stay as they are: class and distillation tokens
	Dim       int // of a token
	Heads     int // of its attention
	// Rows and Cols are the grid of patches that the model cuts an image into, in reading order; 0
	// where it is not known.
	Rows, Cols int
}

// Place says where in a block the tokens are reduced.
type Place string

const (
	// BeforeBlock fuses what enters the block, by the tokens alone: no attention is known yet.
	BeforeBlock Place = "before"
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
	// Place is where in the block it happens.
	Place Place
	// Remaining is the number of tokens left. It is static, because graphs are: where the number
	// depends on the image (Adaptive) it is the most there can be.
	Remaining int
	// Adaptive says that some of the Remaining may hold nothing, image by image: such tokens are
	// absent, masked from attention, of size 0. Their computation is not saved, only not used.
	Adaptive bool
	// Matching is the cost of the method's own matching, in multiply-accumulates for one image.
	Matching int
	// Needs names the inputs of Evidence that the step cannot do without, beside the tokens.
	Needs []Input
	// Learned are the weights of the step's own.
	Learned []Weight

	// Assign decides who fuses with whom. It runs while the graph is built.
	Assign func(Evidence) *Assignment
}

// Input names what a step reads beside the tokens; `fuse` calls its tensors by these names.
type Input string

const (
	InputAttention Input = "attn"   // the attention map: Attention, Received, FromClass
	InputMetric    Input = "metric" // keys averaged over heads: Keys
	InputValues    Input = "values" // Values
)

// Weight is a learned weight, by its name in checkpoints.
type Weight struct {
	Name  string // "cluster_layers.0.v"
	Dims  []int  // its shape
	Start Start  // what it is before any training
}

// Evidence is what a layer knows of its tokens when it decides. A nil field is not known there.
type Evidence struct {
	X         *Node // tokens, the residual stream, [batch, tokens, dim]
	Attention *Node // map of the layer, [batch, heads, tokens, tokens]
	Received  *Node // attention received by each token, mean over heads and queries, [batch, tokens]
	FromClass *Node // attention paid by the class token, mean over heads, [batch, tokens]
	Keys      *Node // keys averaged over heads, [batch, tokens, dim/heads]
	Values    *Node // [batch, heads, tokens, dim/heads]
	Size      *Node // patches fused into each token, [batch, tokens, 1]; nil before the first fusion
	Source    *Node // 0/1, which of the first tokens went into each, [batch, tokens, first tokens]; nil before the first fusion
	Present   *Node // 0/1, [batch, tokens]; nil where all tokens are present, as they are unless a step was Adaptive
	Key       *Node // a number of the image itself, uint32 [batch], from which random choices are made

	// Inference says that no gradient will be asked for: package native's operations may compute.
	Inference bool

	// Learned returns a weight that the step declared.
	Learned func(name string, dims ...int) *Node

	origins *origins // of what criteria and poolings make of it
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

func (None) Name() string { return "none" }

// Step does nothing in any layer.
func (None) Step(Layer) (*Step, error) { return nil, nil }

func (None) ProportionalAttention() bool  { return false }
func (None) MarshalJSON() ([]byte, error) { return []byte(`{"method":"none"}`), nil }
