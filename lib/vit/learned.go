package vit

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"tokenfuse/lib/fusion"
	"tokenfuse/lib/weights"
)

// Learned returns the weights that a method has of its own in a model, by name: those of a predictor of
// which tokens to keep, for one. Most methods learn nothing.
func Learned(c Config, method fusion.Method) (map[string]fusion.Weight, error) {
	steps, _, err := Plan(c, method)
	if err != nil {
		return nil, err
	}
	all := map[string]fusion.Weight{}
	for _, step := range steps {
		if step == nil {
			continue
		}
		for _, w := range step.Learned {
			all[w.Name] = w
		}
	}
	return all, nil
}

// Learn gives the model untrained weights, by the seed, for what a method learns and the model does
// not have: the start of a training.
func (m *Model) Learn(method fusion.Method, seed int64) error {
	learned, err := Learned(m.Config, method)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(uint64(seed), 0x6c6561726e))
	for _, name := range slices.Sorted(maps.Keys(learned)) {
		weight := start(rng, learned[name]) // drawn in any case: what one weight is does not hang on another
		if _, known := m.unknown[name]; !known {
			m.unknown[name] = weight
		}
	}
	return m.adopt(method)
}

// start returns an untrained weight.
func start(rng *rand.Rand, w fusion.Weight) *tensors.Tensor {
	if w.Start == fusion.StartByName {
		return initialWeight(rng, w.Name, w.Dims)
	}
	count := 1
	for _, d := range w.Dims {
		count *= d
	}
	data := slices.Repeat([]float32{1}, count)
	if w.Start == fusion.StartNormal {
		for i := range data {
			data[i] = float32(rng.NormFloat64())
		}
	}
	return tensors.FromFlatDataAndDimensions(data, w.Dims...)
}

// adopt makes variables of what a method learns. Untrained weights would be a guess, so that those
// which the model's file did not hold are an error.
func (m *Model) adopt(method fusion.Method) error {
	learned, err := Learned(m.Config, method)
	if err != nil {
		return err
	}
	m.building.Lock()
	defer m.building.Unlock()
	fit := weights.Fit{Wanted: len(learned)}
	for _, name := range slices.Sorted(maps.Keys(learned)) {
		dims := learned[name].Dims
		if v := m.store.GetVariable(variablePath(name)); v != nil {
			if !slices.Equal(v.Shape().Dimensions, dims) {
				fit.Reshaped = append(fit.Reshaped, weights.Reshaped{Name: name, Have: v.Shape().Dimensions, Want: dims})
			}
			continue
		}
		weight, ok := m.unknown[name]
		switch {
		case !ok:
			fit.Missing = append(fit.Missing, name)
		case !slices.Equal(weight.Shape().Dimensions, dims):
			fit.Reshaped = append(fit.Reshaped, weights.Reshaped{Name: name, Have: weight.Shape().Dimensions, Want: dims})
		default:
			if _, err := m.store.CreateVariable(variablePath(name), weight); err != nil {
				return fmt.Errorf("vit: weight %s: %w", name, err)
			}
			m.learned = append(m.learned, name)
		}
	}
	if err := fit.Err(); err != nil {
		return fmt.Errorf("vit: the weights do not fit the model: %w: %s learns weights of its own: load a checkpoint that was trained with it, or start from Model.Learn", err, method.Name())
	}
	return nil
}
