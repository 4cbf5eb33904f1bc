package vit

import (
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"

	"tokenfuse/lib/fusion"
)

// Pooling names what the head reads.
type Pooling string

const (
	// ClassPooling reads the class token after the last norm; "class" in CONFIG.json.
	ClassPooling Pooling = ""
	// AveragePooling reads the norm (fc_norm) of the mean over the patches, timm's global_pool='avg'.
	// Fused tokens weigh by their size, so that it stays the mean over the patches that are left (as in
	// ToMe's code for MAE, which divides by the patches there were: the same where none is dropped).
	AveragePooling Pooling = "average"
)

func (c Config) validatePooling() error {
	switch {
	case c.Pooling != ClassPooling && c.Pooling != AveragePooling:
		return fmt.Errorf("vit: unknown pooling %q: known are class, %s", string(c.Pooling), AveragePooling)
	case c.Pooling == ClassPooling && c.NoClassToken:
		return fmt.Errorf("vit: pooling %q needs a class token: want class_token true or pooling %q", "class", AveragePooling)
	case c.Pooling == AveragePooling && c.Distilled:
		return fmt.Errorf("vit: a distilled model has a head for each of its two tokens: pooling is %q, want %q", AveragePooling, "class")
	}
	return nil
}

// readsPatches reports whether the head reads patches beside the class token.
func (c Config) readsPatches() bool { return c.Pooling == AveragePooling || c.TokenLabels }

func (c Config) headWeights() []fusion.Weight {
	norm := "norm"
	if c.Pooling == AveragePooling {
		norm = "fc_norm"
	}
	all := slices.Concat(normWeights(norm, c.Dim), linearWeights("head", c.Classes, c.Dim, true))
	if c.Distilled {
		all = append(all, linearWeights("head_dist", c.Classes, c.Dim, true)...)
	}
	if c.TokenLabels {
		all = append(all, linearWeights("aux_head", c.Classes, c.Dim, true)...)
	}
	return all
}

// HeadMACs is what one image costs behind the last block, which so many tokens leave: last norm and
// heads.
func (c Config) HeadMACs(tokens int) int {
	classify := c.Dim * c.Classes
	switch {
	case c.Pooling == AveragePooling:
		return normMACs(c.Dim) + classify
	case c.TokenLabels:
		return normMACs(tokens*c.Dim) + tokens*classify
	}
	return normMACs(tokens*c.Dim) + c.Protected()*classify
}

// classify fills in what the heads say of the stream that leaves the last block.
func (l layers) classify(c Config, s stream, out *Output) {
	if c.Pooling == AveragePooling {
		out.Class = l.norm("fc_norm", averagePatches(s, c.Protected())).tokens()
		out.Logits = l.linear("head", out.Class, c.Classes)
		return
	}
	x := l.norm("norm", s.x).tokens()
	token := func(i int) *Node { return Squeeze(Slice(x, AxisRange(), AxisElem(i)), 1) }
	out.Class = token(0)
	out.Logits = l.linear("head", out.Class, c.Classes)
	switch {
	case c.Distilled:
		// DeiT averages its two heads at inference (section 4).
		out.ClassLogits, out.DistillationLogits = out.Logits, l.linear("head_dist", token(1), c.Classes)
		out.Logits = MulScalar(Add(out.ClassLogits, out.DistillationLogits), 0.5)
	case c.TokenLabels:
		out.ClassLogits = out.Logits
		out.Dense = l.linear("aux_head", Slice(x, AxisRange(), AxisRangeToEnd(1)), c.Classes)
		out.Logits = Add(out.ClassLogits, MulScalar(strongest(out.Dense, patchSizes(s, 1)), 0.5))
	}
}

// averagePatches is the mean of the patches' tokens, each as often as patches were fused into it:
// [batch, dim].
func averagePatches(s stream, protected int) *Node {
	x := Slice(s.x, AxisRange(), AxisRangeToEnd(protected))
	size := patchSizes(s, protected)
	if size == nil {
		return ReduceMean(x, 1)
	}
	patches := MaxScalar(ReduceAndKeep(size, ReduceSum, 1), 1) // of an image whose every patch was dropped: 1, not 0
	share := Div(size, BroadcastToShape(patches, size.Shape()))
	return ReduceSum(Mul(x, BroadcastToShape(share, x.Shape())), 1)
}

// patchSizes are the sizes of the tokens behind the protected ones, [batch, tokens, 1]; nil where
// nothing was fused.
func patchSizes(s stream, protected int) *Node {
	if s.size == nil {
		return nil
	}
	return StopGradient(Slice(s.size, AxisRange(), AxisRangeToEnd(protected)))
}
