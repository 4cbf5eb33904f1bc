package train

import (
	"fmt"

	"github.com/gomlx/compute/distributed"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/core/tensors/dtensor"
	"github.com/gomlx/gomlx/ml/train"
)

// devices cut the images of each step between them and hold the same weights each (data parallel): XLA
// partitions the graph of one device (GoMLX's AutoSharding), so that a step is what it is on one,
// batch norms and the confident samples of consistency included, but for rounding.
type devices struct {
	count int
	cut   *distributed.ShardingSpec // along the first axis
}

// newDevices returns nil for one device.
func (s *session) newDevices() (*devices, error) {
	n := s.Devices
	switch {
	case n <= 1:
		return nil, nil
	case n > s.Backend.NumDevices():
		return nil, fmt.Errorf("train: %d devices were asked for, %s has %d", n, s.Backend.Description(), s.Backend.NumDevices())
	case s.BatchSize%n != 0:
		return nil, fmt.Errorf("train: a batch_size of %d does not divide among %d devices", s.BatchSize, n)
	case s.microBatches() > 1:
		return nil, fmt.Errorf("train: GoMLX does not accumulate gradients over several devices: want accumulate 1, or 1 device")
	}
	const axis = "images"
	mesh, err := distributed.NewDeviceMesh([]int{n}, []string{axis})
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	cut, err := distributed.BuildSpec(mesh).S(axis).Done()
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	return &devices{n, cut}, nil
}

// step is a step of the trainer on all devices; it takes the tensors.
func (d *devices) step(trainer *train.Trainer, spec any, inputs []*tensors.Tensor) ([]*tensors.Tensor, error) {
	batch := train.DistributedBatch{Spec: spec}
	for _, t := range inputs {
		sharded, err := dtensor.ShardTensor(d.cut, t)
		if err != nil {
			return nil, err
		}
		batch.Inputs = append(batch.Inputs, sharded)
		if err := t.FinalizeAll(); err != nil {
			return nil, err
		}
	}
	return trainer.DistributedTrainStep(distributed.AutoSharding, nil, batch)
}
