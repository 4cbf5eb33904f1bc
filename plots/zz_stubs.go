package plots

import (
	"errors"
	"image"

	"tokenfuse/lib/result"
)

var errStub = errors.New("plots: not drawn yet")

// ThroughputAccuracy draws accuracy over images per second.
func ThroughputAccuracy(rows []result.Row) (*Figure, error) { return nil, errStub }

// AblationBars draws a bar for each setting, from the base model's accuracy to its own.
func AblationBars(rows []result.Row) (*Figure, error) { return nil, errStub }

// TauHeatMap draws accuracy over the two temperatures in which rows differ.
func TauHeatMap(rows []result.Row) (*Figure, error) { return nil, errStub }

// TokensPerLayer draws the tokens that leave each block.
func TokensPerLayer(rows []result.Row) (*Figure, error) { return nil, errStub }

// TokenSizes draws how many tokens of each size the foreground and background have, per method.
func TokenSizes(rows []result.Row) (*Figure, error) { return nil, errStub }

// GroupSizes draws how many tokens of each size there are, layer by layer.
func GroupSizes(layers ...Groups) (*Figure, error) { return nil, errStub }

// Foreground draws what became of the foreground, per method.
func Foreground(rows []result.Row) (*Figure, error) { return nil, errStub }

// Map is a number for each patch of an image, to be laid over it.
type Map struct {
	// Title stands above the panel: "layer 3".
	Title string
	// Rows and Cols are the patch grid.
	Rows, Cols int
	// Values holds a number for each patch, row by row; NaN where there is none.
	Values []float64
}

// Overlay shows an image and, for each map, the image under its values.
func Overlay(img image.Image, unit string, maps ...Map) (*Figure, error) { return nil, errStub }

// ClassAttention is what the class token (the first) attends to: the mean over heads of its row of an
// attention map [heads, tokens, tokens] of one image whose tokens are protected ones and then patches.
func ClassAttention(title string, rows, cols, protected, heads int, attention []float32) (Map, error) {
	return Map{}, errStub
}

// Informativeness is the attention that each patch receives: the mean of its column over heads and
// queries.
func Informativeness(title string, rows, cols, protected, heads int, attention []float32) (Map, error) {
	return Map{}, errStub
}

// Spread gives each patch the value of its token, values being one of each token by its number in Of.
func (g Groups) Spread(values []float64) (Map, error) { return Map{}, errStub }

// Animation is figures one after another.
type Animation struct{ Frames []*Figure }

// AnimateTokens is FusedTokens as a GIF, layer by layer.
func AnimateTokens(img image.Image, layers ...Groups) (*Animation, error) { return nil, errStub }

// GIF returns the animation as a GIF file.
func (a *Animation) GIF() ([]byte, error) { return nil, errStub }

// PNG returns the frames side by side.
func (a *Animation) PNG() ([]byte, error) { return nil, errStub }

// String returns the animation in words.
func (a *Animation) String() string { return "" }

// Save writes the animation to a file.
func (a *Animation) Save(path string) error { return errStub }

// Dark returns the animation for a dark page.
func (a *Animation) Dark() *Animation { return a }

// Pair is a token fused into another; both count from 0, protected ones included.
type Pair struct {
	From, To int
	Score    float64
}

// Matching draws who fuses with whom: tokens at even positions (A) on the left, at odd ones (B) on the
// right.
func Matching(tokens, protected int, pairs ...Pair) (*Figure, error) { return nil, errStub }
