package train

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// objective is what a run makes small: a sum of parts.
type objective struct {
	Recipe
	store  *model.Store
	config vit.Config
	method fusion.Method
}

// partNames name what parts returns: what each adds to the loss.
func (r Recipe) partNames() []string {
	names := []string{"classification"}
	if r.Distillation != nil {
		names = append(names, "distillation")
	}
	if r.Consistency != nil {
		names = append(names, "teacher", "consistency")
	}
	return names
}

// parts are the parts of the loss, scalars: of images [batch, channels, height, width] with labels
// [batch, 1] or targets [batch, classes], followed by the labels [batch, 1] of the model that is
// imitated where the recipe distils; teacher is the method of the second pass where it has one.
func (o objective) parts(inputs []*Node, teacher fusion.Method) []*Node {
	student := o.forward(o.method, inputs[0], 0)
	target := targets(inputs[1], student.Logits)
	all := o.supervised(student, target, inputs[2:])
	if o.Consistency == nil {
		return all
	}
	guide := o.forward(teacher, inputs[0], 1)
	var sum *Node
	for _, part := range o.supervised(guide, target, inputs[2:]) {
		if sum != nil {
			part = Add(sum, part)
		}
		sum = part
	}
	return append(all, sum, o.Consistency.loss(guide.Class, student.Class, student.Logits, target))
}

// supervised are the parts that a pass learns from labels.
func (o objective) supervised(out vit.Output, target *Node, imitated []*Node) []*Node {
	if o.Distillation == nil {
		return []*Node{crossEntropy(out.Logits, target, o.LabelSmoothing)}
	}
	class, distilled := o.Distillation.losses(out, target, imitated[0], o.LabelSmoothing)
	return []*Node{class, distilled}
}

// forward is one pass in training. What stochastic depth draws depends on the seed, the step, the pass
// and the image.
func (o objective) forward(method fusion.Method, images *Node, pass int) vit.Output {
	if o.StochasticDepth == 0 {
		return vit.Forward(o.store, o.config, method, images)
	}
	step := ConvertDType(optimizer.GetGlobalStepVar(o.store).NodeValue(images.Graph()), fusion.ImageKey(images).DType())
	key := fusion.ImageKey(images)
	key = BitwiseXor(key, BroadcastToShape(MulScalar(step, 0x9e3779b9), key.Shape()))
	return vit.Forward(o.store, o.config, method, images,
		vit.WithStochasticDepth(vit.StochasticDepth{Rate: o.StochasticDepth, Key: key, Seed: 2*int(o.Seed) + pass}))
}

// targets are labels [batch, 1] as targets [batch, classes]; targets stay what they are.
func targets(labels, logits *Node) *Node {
	if labels.DType().IsFloat() {
		return labels
	}
	return OneHot(Squeeze(labels, -1), logits.Shape().Dim(-1), logits.DType())
}

// crossEntropy is the mean cross entropy of logits with targets, [batch, classes] both, of which a
// share is spread evenly over all classes (label smoothing, arXiv 1512.00567, section 7).
func crossEntropy(logits, target *Node, smoothing float64) *Node {
	target = AddScalar(MulScalar(target, 1-smoothing), smoothing/float64(logits.Shape().Dim(-1)))
	return Neg(ReduceAllMean(ReduceSum(Mul(target, LogSoftmax(logits, -1)), -1)))
}
