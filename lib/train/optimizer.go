package train

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	"github.com/gomlx/gomlx/ml/train/optimizer/cosineschedule"
)

// scheduled is GoMLX's AdamW under its cosine schedule with warm-up, with gradients clipped by their
// norm. All of it happens once a step, however many micro-batches a step has.
type scheduled struct {
	optimizer.Interface
	Recipe
	steps, warmUp int
}

func newOptimizer(r Recipe, perEpoch int) scheduled {
	adamW := optimizer.Adam().LearningRate(r.LearningRate).WeightDecay(r.WeightDecay).Epsilon(1e-8).Done()
	return scheduled{adamW, r, r.Epochs * perEpoch, int(r.WarmUpEpochs * float64(perEpoch))}
}

// UpdateGraph implements optimizer.Interface.
func (o scheduled) UpdateGraph(scope *model.Scope, _ *Graph, loss *Node) {
	o.UpdateGraphWithGradients(scope, scope.BuildTrainableVariablesGradientsGraph(loss), loss.DType())
}

// UpdateGraphWithGradients implements train.OptimizeWithGradients.
func (o scheduled) UpdateGraphWithGradients(scope *model.Scope, gradients []*Node, loss dtypes.DType) {
	cosineschedule.New(scope, gradients[0].Graph(), dtypes.Float32).LearningRate(o.LearningRate).MinLearningRate(o.MinLearningRate).
		PeriodSteps(max(1, o.steps-o.warmUp)).WarmUpSteps(o.warmUp).Done()
	if o.ClipNorm > 0 {
		gradients = clip(gradients, o.ClipNorm)
	}
	o.Interface.(train.OptimizeWithGradients).UpdateGraphWithGradients(scope, gradients, loss)
}

// clip scales gradients whose Euclidean norm, all together, is above a limit down to it (Pascanu et
// al., arXiv 1211.5063, algorithm 1), with the 1e-6 of PyTorch's clip_grad_norm_.
func clip(gradients []*Node, limit float64) []*Node {
	var squares *Node
	for _, g := range gradients {
		square := ReduceAllSum(Square(g))
		if squares != nil {
			square = Add(squares, square)
		}
		squares = square
	}
	scale := MinScalar(DivScalar(Reciprocal(AddScalar(Sqrt(squares), 1e-6)), 1/limit), 1)
	clipped := make([]*Node, len(gradients))
	for i, g := range gradients {
		clipped[i] = Mul(g, scale)
	}
	return clipped
}
