package train

import (
	"fmt"
	"strings"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/vit"
)

// averageScope is where the average of a weight lives in the store, in front of the weight's own path.
const averageScope = "/ema"

// average keeps an exponential moving average of a model's weights: after each step
//
//	average = decay * average + (1 - decay) * weight
//
// beginning at the weights before the first step, as timm's ModelEma, with which DeiT is trained
// (decay 0.99996). Running averages of batch norms are averaged too.
type average struct {
	store *model.Store
	decay float64
	paths []string // of the weights
}

// newAverage makes the averages' variables; the store must hold the model's weights and nothing else.
func newAverage(m *vit.Model, decay float64) (*average, error) {
	a := &average{store: m.Store(), decay: decay}
	for v := range a.store.IterVariables() {
		a.paths = append(a.paths, v.Path())
	}
	for _, path := range a.paths {
		value, err := a.store.GetVariable(path).MustValue().LocalClone()
		if err != nil {
			return nil, fmt.Errorf("train: average of %s: %w", path, err)
		}
		v, err := a.store.CreateVariable(averageScope+path, value)
		if err != nil {
			return nil, fmt.Errorf("train: average of %s: %w", path, err)
		}
		v.SetTrainable(false)
	}
	return a, nil
}

// update is the graph that moves the averages, to be built behind that of the optimiser.
func (a *average) update(_ *model.Scope, g *Graph) {
	for _, path := range a.paths {
		weight := a.store.GetVariable(path)
		if !weight.ChangedInGraph(g) {
			continue // what training leaves as it is is its own average
		}
		v := a.store.GetVariable(averageScope + path)
		v.SetNodeValue(Add(MulScalar(v.NodeValue(g), a.decay), MulScalar(weight.NodeValue(g), 1-a.decay)))
	}
}

// model returns a model of its own with the averages for weights.
func (a *average) model(m *vit.Model, method fusion.Method) (*vit.Model, error) {
	all := map[string]*tensors.Tensor{}
	for _, path := range a.paths {
		value, err := a.store.GetVariable(averageScope + path).MustValue().LocalClone()
		if err != nil {
			return nil, fmt.Errorf("train: average of %s: %w", path, err)
		}
		all[strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", ".")] = value
	}
	averaged, _, err := vit.FromTensors(m.Name, m.Config, all)
	if err != nil {
		return nil, err
	}
	return averaged, averaged.Learn(method, 0) // adopts the averages of what the method learned
}
