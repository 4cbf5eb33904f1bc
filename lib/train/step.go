package train

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/metric"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"tokenfuse/lib/fusion"
)

// newTrainer is GoMLX's, which compiles one graph for each r' (the batch's Spec) and one more where
// gradients are accumulated. The labels are inputs, since the loss is built where the model is.
func (s *session) newTrainer() (*train.Trainer, error) {
	build := func(scope *model.Scope, spec any, inputs []*Node) []*Node {
		var teacher fusion.Method
		if r, ok := spec.(float64); ok {
			teacher = s.teachers[r]
		}
		parts := s.objective.parts(inputs, teacher)
		for _, part := range parts {
			train.AddMainLoss(part)
		}
		if s.average != nil {
			train.AddPerStepUpdateGraphFn(scope, inputs[0].Graph(), s.average.update)
		}
		return parts
	}
	var parts []metric.Interface
	for i, name := range s.partNames() {
		parts = append(parts, metric.NewBaseMetric(name, name, metric.LossMetricType,
			func(_ *model.Scope, _, parts []*Node) *Node { return parts[i] }, nil))
	}
	t := train.NewTrainer(s.Backend, s.model.Store(), build, nil, newOptimizer(s.Recipe, s.perEpoch), parts, nil)
	// The moving average of the loss, which GoMLX adds, keeps a variable with a new random name in each
	// process: the graph would be another one, and compiled again.
	t.TrainMetrics()[1] = t.TrainMetrics()[0]
	// GoMLX deletes this variable when it makes a trainer. Made here, before a checkpoint is read, it has
	// its place among the variables in a resumed run too, and the graphs are those that were compiled.
	optimizer.LearningRateVarWithValue(s.model.Store().RootScope(), dtypes.Float32, s.LearningRate)
	t.WithMaxExecutors(train.DefaultMaxExecutors + 2*len(s.teachers))
	if n := s.microBatches(); n > 1 {
		if err := t.AccumulateGradients(n); err != nil {
			return nil, fmt.Errorf("train: %w", err)
		}
	}
	return t, nil
}

// step runs one step, in as many micro-batches as the recipe says, and returns its loss and the loss's
// parts, means over the micro-batches.
func (s *session) step(batch train.Batch, step int) (loss float64, parts map[string]float64, err error) {
	all := []*tensors.Tensor{batch.Inputs[0], batch.Labels[0]}
	if s.imitated != nil {
		labels, err := imitated(s.imitated, batch.Inputs[0])
		if err != nil {
			return 0, nil, err
		}
		all = append(all, labels)
	}
	var spec any
	if s.Consistency != nil {
		spec = s.Consistency.draw(s.Seed, step)
	}
	parts = map[string]float64{}
	n := s.microBatches()
	for _, inputs := range microBatches(all, n) {
		metrics, err := s.trainStep(spec, inputs)
		if err != nil {
			return 0, nil, s.explain(err)
		}
		loss += scalar(metrics[0]) / float64(n)
		for i, name := range s.partNames() {
			parts[name] += scalar(metrics[2+i]) / float64(n)
		}
		for _, m := range metrics {
			if err := m.FinalizeAll(); err != nil {
				return 0, nil, s.explain(err)
			}
		}
	}
	return loss, parts, s.finite(loss, step)
}

func (s *session) trainStep(spec any, inputs []*tensors.Tensor) ([]*tensors.Tensor, error) {
	if s.devices != nil {
		return s.devices.step(s.trainer, spec, inputs)
	}
	return s.trainer.TrainStep(train.Batch{Spec: spec, Inputs: inputs})
}

func scalar(t *tensors.Tensor) float64 { return float64(tensors.MustCopyFlatData[float32](t)[0]) }

// learningRate is that of the last step.
func (s *session) learningRate() float64 {
	path := model.JoinPath(model.ScopeSeparator+optimizer.Scope, optimizer.ParamLearningRate)
	return scalar(s.model.Store().GetVariable(path).MustValue())
}

// microBatches cuts tensors along their first axis into n parts of equal length.
func microBatches(all []*tensors.Tensor, n int) [][]*tensors.Tensor {
	if n == 1 {
		return [][]*tensors.Tensor{all}
	}
	parts := make([][]*tensors.Tensor, n)
	for _, t := range all {
		t.MustConstFlatData(func(flat any) {
			switch data := flat.(type) {
			case []float32:
				addParts(parts, data, t.Shape().Dimensions)
			case []int32:
				addParts(parts, data, t.Shape().Dimensions)
			}
		})
	}
	return parts
}

func addParts[E float32 | int32](parts [][]*tensors.Tensor, data []E, dims []int) {
	dims = append([]int{dims[0] / len(parts)}, dims[1:]...)
	each := len(data) / len(parts)
	for i := range parts {
		parts[i] = append(parts[i], tensors.FromFlatDataAndDimensions(data[i*each:(i+1)*each], dims...))
	}
}
